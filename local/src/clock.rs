//! The only reader of the clock in this package.

use time::OffsetDateTime;

/// Returns the time now.
#[expect(clippy::disallowed_methods, reason = "the local services' only reader of the clock")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Returns the milliseconds since 1970.
pub(crate) fn milliseconds(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1000 + i64::from(time.millisecond())
}
