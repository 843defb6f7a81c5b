//! The system's clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::model::{ResetToken, Timestamp};

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

/// Returns a new reset token.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "a system without randomness cannot run")]
pub fn new_reset_token() -> ResetToken {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("the system has randomness");
    ResetToken::new(random)
}
