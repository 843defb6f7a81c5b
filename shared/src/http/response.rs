//! The responses of handlers.

use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use super::{ApiError, Body, EntityTag, HandlerResult, Response};
use crate::{auth::IssuedToken, model::Movie};

/// The id of a created or deleted resource.
#[derive(Serialize)]
pub struct IdResponse {
    /// The id.
    pub id: Uuid,
}

/// A token. `token_type` and `expires_in` follow RFC 6749 section 5.1.
#[derive(Serialize)]
pub struct TokenResponse {
    token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
}

impl From<IssuedToken> for TokenResponse {
    fn from(issued: IssuedToken) -> Self {
        Self { token: issued.token, token_type: "Bearer", expires_in: issued.lifetime_seconds }
    }
}

/// A movie as clients see it.
#[derive(Serialize)]
pub struct MovieResponse<'a> {
    id: Uuid,
    name: &'a str,
    casts: &'a [String],
    genres: &'a [String],
    added_by: Uuid,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Movie> for MovieResponse<'a> {
    fn from(movie: &'a Movie) -> Self {
        Self {
            id: movie.id,
            name: movie.name.as_str(),
            casts: movie.casts.as_slice(),
            genres: movie.genres.as_slice(),
            added_by: movie.added_by,
            created_at: movie.created_at.to_string(),
            updated_at: movie.updated_at.to_string(),
        }
    }
}

/// Returns 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> HandlerResult {
    let text = serde_json::to_string(body).map_err(|error| ApiError::Internal(error.into()))?;
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Returns 202 with a JSON body: the request was accepted and is carried out later.
pub fn accepted(body: &impl Serialize) -> HandlerResult {
    let mut response = ok(body)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Returns 200 with a movie, and its version as `etag`.
pub fn movie(movie: &Movie) -> HandlerResult {
    with_header(
        ok(&MovieResponse::from(movie))?,
        header::ETAG,
        &EntityTag::of_version(movie.version).to_string(),
    )
}

/// Returns 304 with an `etag`: the client has the current representation.
pub fn not_modified(etag: &EntityTag) -> HandlerResult {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    with_header(response, header::ETAG, &etag.to_string())
}

/// Permits caches to store a response if they revalidate it before each use. All other responses are `no-store`.
pub fn revalidated(response: Response<Body>) -> HandlerResult {
    with_header(response, header::CACHE_CONTROL, "no-cache")
}

/// Sets a header.
pub fn with_header(mut response: Response<Body>, name: HeaderName, value: &str) -> HandlerResult {
    let value = HeaderValue::from_str(value).map_err(|error| ApiError::Internal(error.into()))?;
    response.headers_mut().insert(name, value);
    Ok(response)
}
