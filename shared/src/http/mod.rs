//! HTTP: requests in, responses out.

mod completion;
mod compression;
mod error;
mod etag;
mod faults;
mod fields;
mod json;
mod request;
mod response;
mod sanitize;
mod serve;
mod session;

pub use compression::{compressed, decompressed};
pub use error::ApiError;
pub use etag::{EntityTag, if_match, if_none_match};
pub use faults::Faults;
pub use fields::{Fields, FromBody, field_fault};
pub use lambda_http::{Body, Error, Request, RequestExt, Response, http::header};
pub use request::{bearer_token, body, movie_id, parse_id, source_address};
pub use response::{
    IdResponse, MovieResponse, TokenResponse, accepted, movie, not_modified, ok, revalidated, with_header,
};
pub use serve::serve;
pub use session::with_session;

/// The result of a handler.
pub type HandlerResult = Result<Response<Body>, ApiError>;
