//! The parts of a request that handlers read.

use lambda_http::{
    RequestExt,
    http::{HeaderMap, header},
    request::RequestContext,
};
use uuid::{Uuid, Variant};

use super::{
    ApiError, Request,
    fields::{Fields, FromBody},
    json,
};
use crate::auth::TokenFault;

/// The most bytes of a body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Reads a JSON body, after checking its content type and its size.
pub fn body<T: FromBody>(request: &Request) -> Result<T, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let bytes: &[u8] = request.body().as_ref();
    if bytes.len() > MAX_BODY_BYTES {
        return Err(ApiError::PayloadTooLarge);
    }
    Fields::read(json::parse_object(bytes).map_err(ApiError::MalformedJson)?)
}

/// Returns the token of the `authorization` header (RFC 6750 section 2.1). No other place can hold a token.
pub fn bearer_token(request: &Request) -> Result<&str, ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(ApiError::MissingToken) };
    if values.next().is_some() {
        return Err(ApiError::InvalidToken(TokenFault::Malformed));
    }
    let value = value.to_str().map_err(|_| ApiError::InvalidToken(TokenFault::Malformed))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(ApiError::MissingToken);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() {
        return Err(ApiError::MissingToken);
    }
    // API Gateway joins repeated headers with a comma, which no token contains.
    if token.contains([',', ' ']) {
        return Err(ApiError::InvalidToken(TokenFault::Malformed));
    }
    Ok(token)
}

/// Returns the client's address as API Gateway sees the connection. The header `x-forwarded-for` is not used, because a
/// client can set it.
pub fn source_address(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// Returns the movie id of the path. For a text that is not an id of this API, the movie does not exist.
pub fn movie_id(request: &Request) -> Result<Uuid, ApiError> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first("id"))
        .and_then(parse_id)
        .ok_or(ApiError::MovieNotFound)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Returns the id of a text; `None` if the text is not an id of this API.
#[must_use]
pub fn parse_id(text: &str) -> Option<Uuid> {
    // The parser also accepts upper case, braces and missing hyphens, but an id has only one spelling.
    let is_ours = |id: &Uuid| {
        id.get_variant() == Variant::RFC4122 && id.get_version_num() == 7 && id.to_string() == text
    };
    Uuid::try_parse(text).ok().filter(is_ours)
}
