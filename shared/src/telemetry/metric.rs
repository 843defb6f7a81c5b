//! The metrics.

use serde::Serialize;

/// A metric. The variant's name is the metric's name in CloudWatch, in the namespace `MovieBag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Metric {
    /// Users who signed up.
    Signups,
    /// Logins that returned a token.
    LoginsSucceeded,
    /// Logins with a wrong password or an unknown email.
    LoginsFailed,
    /// Logins that were refused because of earlier failures.
    LoginsThrottled,
    /// Created movies.
    MoviesCreated,
    /// Responses with a status of 500 or above.
    ServerErrors,
    /// Responses with status 500: a fault that no client causes and that does not pass without intervention. A release
    /// that causes them is rolled back.
    InternalErrors,
    /// 5xx responses caused by DynamoDB: it failed, refused a request, was too slow or returned a corrupt item.
    DatabaseErrors,
    /// Account deletions that were pending when an hourly run of `purge-account` began.
    PendingAccountDeletions,
    /// The age in seconds of the oldest of these; 0 if none was pending.
    OldestAccountDeletionAge,
    /// Requests for a password reset.
    ResetsRequested,
    /// Passwords that were reset.
    PasswordsReset,
    /// Mails that the mail service accepted.
    MailsSent,
    /// Attempts to send a mail that failed. `send-mail` tries again.
    MailsFailed,
    /// Mails that were given up: the mail service refused them, or they were too old.
    MailsDropped,
    /// Mails that were waiting when an hourly run of `send-mail` began.
    PendingMails,
    /// The age in seconds of the oldest of these; 0 if none was waiting.
    OldestMailAge,
    /// The read units that DynamoDB charged.
    ReadCapacityUnits,
    /// The write units that DynamoDB charged.
    WriteCapacityUnits,
}

/// CloudWatch's names of the units in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    Count,
    Seconds,
}

/// The dimensions of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimensions {
    Stage,
    StageAndOperation,
}

impl Metric {
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Signups
            | Self::LoginsSucceeded
            | Self::LoginsFailed
            | Self::LoginsThrottled
            | Self::MoviesCreated
            | Self::ServerErrors
            | Self::InternalErrors
            | Self::DatabaseErrors
            | Self::PendingAccountDeletions
            | Self::ResetsRequested
            | Self::PasswordsReset
            | Self::MailsSent
            | Self::MailsFailed
            | Self::MailsDropped
            | Self::PendingMails
            | Self::ReadCapacityUnits
            | Self::WriteCapacityUnits => Unit::Count,
            Self::OldestAccountDeletionAge | Self::OldestMailAge => Unit::Seconds,
        }
    }

    pub(super) fn dimensions(self) -> Dimensions {
        match self {
            Self::Signups
            | Self::LoginsSucceeded
            | Self::LoginsFailed
            | Self::LoginsThrottled
            | Self::MoviesCreated
            | Self::ServerErrors
            | Self::InternalErrors
            | Self::DatabaseErrors
            | Self::PendingAccountDeletions
            | Self::OldestAccountDeletionAge
            | Self::ResetsRequested
            | Self::PasswordsReset
            | Self::MailsSent
            | Self::MailsFailed
            | Self::MailsDropped
            | Self::PendingMails
            | Self::OldestMailAge => Dimensions::Stage,
            Self::ReadCapacityUnits | Self::WriteCapacityUnits => Dimensions::StageAndOperation,
        }
    }
}

impl Dimensions {
    pub(super) const ALL: [Self; 2] = [Self::Stage, Self::StageAndOperation];

    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Stage => &["Stage"],
            Self::StageAndOperation => &["Stage", "Operation"],
        }
    }
}
