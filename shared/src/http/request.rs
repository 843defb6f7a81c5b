//! What handlers read from a request.

use lambda_http::{
    RequestExt,
    http::{HeaderMap, header},
    request::RequestContext,
};
use uuid::Uuid;

use super::{
    Request,
    faults::Faults,
    fields::{Fields, FromBody},
    json,
};
use crate::{auth::token::TokenFault, error::ApiError, model::Invalid, store::Cursor};

/// The most bytes a body may have.
const BODY_BYTES: usize = 64 * 1024;

/// How many movies a page has unless the client says, and the most it may ask for.
const DEFAULT_LIMIT: u16 = 100;
const MAXIMUM_LIMIT: u16 = 500;

/// Reads a body of fields, after checking that it is declared as JSON and not too large.
pub fn body<T: FromBody>(request: &Request) -> Result<T, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let bytes: &[u8] = request.body().as_ref();
    if bytes.len() > BODY_BYTES {
        return Err(ApiError::PayloadTooLarge);
    }
    Fields::read(json::parse_object(bytes).map_err(ApiError::MalformedJson)?)
}

/// The token of the `authorization` header (RFC 6750 section 2.1). Tokens anywhere else are not looked for.
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

/// The caller's address, from API Gateway's own reading of the connection only: `x-forwarded-for` is whatever a client
/// says.
pub fn source_address(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// The movie that the path names. A text that is no id of ours names nothing.
pub fn movie_id(request: &Request) -> Result<Uuid, ApiError> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first("id"))
        .and_then(parse_id)
        .ok_or(ApiError::MovieNotFound)
}

/// Which page of the list a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct MovieQuery {
    /// The most movies the page may have, 1 to 500.
    pub limit: u16,
    /// Where the page begins; `None` for the first.
    pub cursor: Option<Cursor>,
}

/// Reads the query of a list, telling every faulty parameter at once.
pub fn movie_query(request: &Request) -> Result<MovieQuery, ApiError> {
    let (mut limits, mut cursors, mut faults) = (Vec::new(), Vec::new(), Faults::default());
    let mut fault = |field: &str, message: &'static str| faults.add(field, Invalid::new(message));
    for (name, value) in request.query_string_parameters_ref().into_iter().flat_map(|query| query.iter()) {
        match name {
            "limit" => limits.push(value),
            "cursor" => cursors.push(value),
            unknown => fault(unknown, "is not a known parameter"),
        }
    }
    for (name, values) in [("limit", &limits), ("cursor", &cursors)] {
        if values.len() > 1 {
            fault(name, "must be given once");
        }
    }
    let limit = limits.first().map_or(Some(DEFAULT_LIMIT), |text| parse_limit(text));
    if limit.is_none() {
        fault("limit", "must be a number from 1 to 500");
    }
    match limit {
        Some(limit) if faults.is_empty() => {
            let cursor = cursors.first().map(|text| Cursor::decode(text).ok_or(ApiError::InvalidCursor));
            Ok(MovieQuery { limit, cursor: cursor.transpose()? })
        }
        _ => Err(ApiError::ValidationFailed(faults)),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse_limit(text: &str) -> Option<u16> {
    // Digits only: the number parser alone would take a leading plus sign, too.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| digits && (1..=MAXIMUM_LIMIT).contains(limit))
}

fn parse_id(text: &str) -> Option<Uuid> {
    // The parser also takes upper case, braces and no hyphens; an id has one spelling.
    Uuid::try_parse(text).ok().filter(|id| id.get_version_num() == 7 && id.to_string() == text)
}
