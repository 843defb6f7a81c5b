//! Points in time, in the form of the API and the tables.

use std::{fmt, ops::Add, time::Duration};

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// A point in time with milliseconds. Its text is RFC 3339 in UTC with three decimals, so that texts sort like times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

const RFC_3339_MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Times as the reader of a mail expects them.
const UTC_MINUTES: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(OffsetDateTime::UNIX_EPOCH);

    /// Returns the time `milliseconds` after 1970-01-01T00:00:00Z; `None` beyond the year 9999.
    #[must_use]
    pub fn from_unix_milliseconds(milliseconds: i64) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok().map(Self)
    }

    /// Returns the whole seconds since 1970-01-01T00:00:00Z, as tokens count time (RFC 7519, `NumericDate`).
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_milliseconds(self) -> i64 {
        self.0.unix_timestamp() * 1_000 + i64::from(self.0.millisecond())
    }

    /// Returns the time from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).try_into().unwrap_or_default()
    }

    /// Returns a text for people, such as `2026-11-29 18:05 UTC`.
    #[must_use]
    pub fn to_utc_minutes(self) -> String {
        self.0.format(UTC_MINUTES).unwrap_or_default()
    }

    /// Reads a text that [`Display`](fmt::Display) wrote; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        time::PrimitiveDateTime::parse(text, RFC_3339_MILLISECONDS).ok().map(|time| Self(time.assume_utc()))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Returns the time `duration` later, or the latest representable time.
    fn add(self, duration: Duration) -> Self {
        let duration = time::Duration::try_from(duration).unwrap_or(time::Duration::MAX);
        Self(self.0.saturating_add(duration))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(RFC_3339_MILLISECONDS).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Timestamp;

    #[test]
    fn a_timestamp_survives_formatting_in_utc() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_120, "2023-11-14T22:13:20.120Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            let time = Timestamp::from_unix_milliseconds(milliseconds).expect("a time a calendar can name");
            assert_eq!(time.to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(time));
            assert_eq!(time.unix_milliseconds(), milliseconds);
            assert_eq!(time.to_utc_minutes(), format!("{} {} UTC", &text[..10], &text[11..16]));
        }
    }

    #[test]
    fn the_time_since_a_later_time_is_zero() {
        let (earlier, later) = (Timestamp::EPOCH, Timestamp::EPOCH + Duration::from_millis(1_500));
        assert_eq!(later.since(earlier), Duration::from_millis(1_500));
        assert_eq!(earlier.since(later), Duration::ZERO);
    }

    #[test]
    fn other_texts_are_not_timestamps() {
        for text in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.120+01:00",
            "2023-13-14T22:13:20.120Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
