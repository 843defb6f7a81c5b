//! HTTP as API Gateway hands it to a function: requests in, responses out.

pub mod faults;
pub mod fields;
pub mod json;
mod request;
mod response;
mod sanitize;
mod serve;

pub use fields::{Fields, FromBody, field_fault};
pub use lambda_http::{Body, Error, Request, Response};
pub use request::{MovieQuery, bearer_token, body, movie_id, movie_query, source_address};
pub use response::{accepted, created, movie, movies, ok, revalidated};
pub use serve::serve;

/// What a handler answers with.
pub type HandlerResult = Result<Response<Body>, crate::error::ApiError>;
