//! What handlers answer with.

use lambda_http::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use super::{Body, HandlerResult, Response};
use crate::{error::ApiError, model::Movie, store::Page};

/// A movie as clients see it.
#[derive(Serialize)]
struct MovieBody<'a> {
    id: Uuid,
    name: &'a str,
    casts: &'a [String],
    genres: &'a [String],
    added_by: Uuid,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Movie> for MovieBody<'a> {
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

/// 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> HandlerResult {
    let text = serde_json::to_string(body).map_err(|error| ApiError::Internal(error.into()))?;
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 202 with a JSON body: it will be done.
pub fn accepted(body: &impl Serialize) -> HandlerResult {
    let mut response = ok(body)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Lets a cache keep a successful response, if it asks whether the response is still right before each use. All other
/// responses are `no-store`.
pub fn revalidated(answer: HandlerResult) -> HandlerResult {
    with_header(answer?, header::CACHE_CONTROL, "no-cache")
}

/// 200 with one movie.
pub fn movie(movie: &Movie) -> HandlerResult {
    ok(&MovieBody::from(movie))
}

/// 200 with a movie that did not exist before, and where it is from now on.
pub fn created(new: &Movie) -> HandlerResult {
    with_header(movie(new)?, header::LOCATION, &format!("/api/movies/{}", new.id))
}

/// 200 with a page of the list, and a link (RFC 8288) to the next one while there is more.
pub fn movies(page: &Page, limit: u16) -> HandlerResult {
    let movies: Vec<MovieBody<'_>> = page.movies.iter().map(MovieBody::from).collect();
    let response = ok(&movies)?;
    match &page.next {
        None => Ok(response),
        Some(cursor) => {
            let link = format!("</api/movies?limit={limit}&cursor={}>; rel=\"next\"", cursor.encode());
            with_header(response, header::LINK, &link)
        }
    }
}

fn with_header(mut response: Response<Body>, name: header::HeaderName, value: &str) -> HandlerResult {
    let value = HeaderValue::from_str(value).map_err(|error| ApiError::Internal(error.into()))?;
    response.headers_mut().insert(name, value);
    Ok(response)
}
