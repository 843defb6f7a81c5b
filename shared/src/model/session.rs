//! Sessions.

use uuid::Uuid;

use super::Timestamp;

/// How long a login counts as recent, in seconds.
const RECENT_SECONDS: i64 = 10 * 60;

/// The session that an access token with a valid signature, or a reset token, names. Only the user's item shows whether it
/// is current: a token does not change when its session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The user's id.
    pub user_id: Uuid,
    /// The user's session epoch when the token was issued.
    pub epoch: u64,
    /// The time at which the token was issued, in seconds since 1970.
    pub token_issued_at: i64,
}

impl Session {
    /// Returns whether the user entered the password at most ten minutes ago. Operations that a stolen token must not
    /// permit require it.
    #[must_use]
    pub fn began_recently(&self, now: Timestamp) -> bool {
        now.unix_seconds().saturating_sub(self.token_issued_at) <= RECENT_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Session;
    use crate::model::Timestamp;

    #[test]
    fn no_age_overflows() {
        let session = Session { user_id: Uuid::nil(), epoch: 0, token_issued_at: i64::MIN };
        assert!(!session.began_recently(Timestamp::EPOCH));
        let session = Session { token_issued_at: i64::MAX, ..session };
        assert!(session.began_recently(Timestamp::EPOCH));
    }

    #[test]
    fn a_login_is_recent_for_exactly_ten_minutes() {
        let issued = 1_762_217_773;
        let session = Session { user_id: Uuid::nil(), epoch: 0, token_issued_at: issued };
        for (milliseconds, recent) in [
            (-5_000, true),
            (0, true),
            (600_000, true),
            (600_999, true),
            (601_000, false),
            (86_400_000, false),
        ] {
            let now = Timestamp::from_unix_milliseconds(issued * 1_000 + milliseconds).expect("a time");
            assert_eq!(session.began_recently(now), recent, "after {milliseconds} ms");
        }
    }
}
