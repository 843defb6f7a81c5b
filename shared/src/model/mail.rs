//! Mails that the system owes to its users.

use std::time::Duration;

use uuid::Uuid;

use super::{CanonicalEmail, Timestamp};

/// A mail that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `UUIDv7`.
    pub id: Uuid,
    /// What the mail is about.
    pub kind: MailKind,
    /// The address that it goes to.
    pub email: CanonicalEmail,
    /// The time of the event that caused it.
    pub created_at: Timestamp,
}

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A client asked for a reset of the password of the account with this email, if there is one.
    Reset {
        /// Whether the mail has been counted in the account's limit.
        counted: bool,
    },
    /// The password of the account was changed.
    Notice,
}

impl Mail {
    /// Creates a mail with a reset token.
    #[must_use]
    pub fn reset(id: Uuid, email: CanonicalEmail, created_at: Timestamp) -> Self {
        Self { id, kind: MailKind::Reset { counted: false }, email, created_at }
    }

    /// Creates a mail that reports a change of the password.
    #[must_use]
    pub fn notice(id: Uuid, email: CanonicalEmail, created_at: Timestamp) -> Self {
        Self { id, kind: MailKind::Notice, email, created_at }
    }

    /// Returns whether the mail is too old to be of use: a reset mail after an hour, when its reader has long asked again,
    /// and a notice after a day.
    #[must_use]
    pub fn is_outdated(&self, now: Timestamp) -> bool {
        let useful = match self.kind {
            MailKind::Reset { .. } => Duration::from_hours(1),
            MailKind::Notice => Duration::from_hours(24),
        };
        now.since(self.created_at) > useful
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{CanonicalEmail, Mail, Timestamp};

    #[test]
    fn a_reset_mail_is_of_use_for_an_hour_and_a_notice_for_a_day() {
        let email = || CanonicalEmail::from_stored("ann@example.com".to_owned());
        let created_at = Timestamp::EPOCH;
        for (mail, hours) in [
            (Mail::reset(Uuid::nil(), email(), created_at), 1),
            (Mail::notice(Uuid::nil(), email(), created_at), 24),
        ] {
            let last = created_at + Duration::from_hours(hours);
            assert!(!mail.is_outdated(last), "{:?}", mail.kind);
            assert!(mail.is_outdated(last + Duration::from_millis(1)), "{:?}", mail.kind);
        }
    }
}
