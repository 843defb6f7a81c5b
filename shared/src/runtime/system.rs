//! The system's clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::model::Timestamp;

#[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
pub(super) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let milliseconds = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_milliseconds(milliseconds).unwrap_or(Timestamp::EPOCH)
}

#[expect(clippy::disallowed_methods, reason = "the only place that makes ids")]
pub(super) fn new_id() -> Uuid {
    Uuid::now_v7()
}
