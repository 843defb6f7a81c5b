//! Helpers that several fuzz targets share.

mod runtime_api;

pub use runtime_api::{Outcome, RuntimeApi, ensure_function_environment};
use shared::{
    http::{Body, Request},
    model::Timestamp,
};
use uuid::Uuid;

/// The version of a movie that the seeds list as an entity tag.
pub const VERSION: Uuid = Uuid::from_u128(0x019a_4c5e_7a31_7c08_b5d2_6f0e_9d3a_41c7);

/// Returns the time at which the targets run, which is the same in every run.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the constant is a time")]
pub fn now() -> Timestamp {
    Timestamp::from_unix_milliseconds(1_800_000_000_000).expect("a time")
}

/// Returns a request with a body and with headers, of which each name may occur several times. Headers that HTTP does not
/// allow are left out.
#[must_use]
pub fn request<'a>(headers: impl IntoIterator<Item = (&'static str, &'a [u8])>, body: &[u8]) -> Request {
    let mut request = Request::new(Body::from(body));
    for (name, value) in headers {
        if let Ok(value) = value.try_into() {
            request.headers_mut().append(name, value);
        }
    }
    request
}
