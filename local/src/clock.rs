//! The only reader of the clock in this package.

use jiff::{Timestamp, tz::TimeZone};
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

/// Returns the time of day in the system's time zone, as `hh:mm:ss`.
pub(crate) fn local_time_of_day(time: OffsetDateTime) -> String {
    let time = Timestamp::from_second(time.unix_timestamp()).unwrap_or_default();
    time.to_zoned_datetime(TimeZone::system()).strftime("%H:%M:%S").to_string()
}
