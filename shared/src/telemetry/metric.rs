//! The metrics, and which answers count as what.

use serde::Serialize;

/// Something that is counted or measured. The name of the variant is the metric's name in CloudWatch, in the namespace
/// `MovieBag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Metric {
    /// Users who signed up.
    Signups,
    /// Logins that gave a token.
    LoginsSucceeded,
    /// Logins with a wrong password or an unknown email.
    LoginsFailed,
    /// Logins that had to wait because of earlier failures.
    LoginsThrottled,
    /// Movies that were created.
    MoviesCreated,
    /// Answers of 500 and above.
    ServerErrors,
    /// Those of them that are 500: something is wrong that no client causes and that does not pass by itself. A release
    /// that makes them is rolled back.
    InternalErrors,
    /// Those of them that are because of the database: it failed, refused, was too slow or held something corrupt.
    DatabaseErrors,
    /// Account deletions that were left when an hourly purge began.
    PendingAccountDeletions,
    /// The age in seconds of the oldest of these; 0 if there was none.
    OldestAccountDeletionAge,
    /// What DynamoDB charged for reading.
    ReadCapacityUnits,
    /// What DynamoDB charged for writing.
    WriteCapacityUnits,
}

/// The units of CloudWatch that are used here, by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    Count,
    Seconds,
}

/// By what a metric is told apart.
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
            | Self::ReadCapacityUnits
            | Self::WriteCapacityUnits => Unit::Count,
            Self::OldestAccountDeletionAge => Unit::Seconds,
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
            | Self::OldestAccountDeletionAge => Dimensions::Stage,
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

/// The answers that count as something: operation, status, what.
const OUTCOMES: [(&str, u16, Metric); 5] = [
    ("signup", 200, Metric::Signups),
    ("login", 200, Metric::LoginsSucceeded),
    ("login", 401, Metric::LoginsFailed),
    ("login", 429, Metric::LoginsThrottled),
    ("create-movie", 200, Metric::MoviesCreated),
];

/// What an operation's answer counts as. A few, or most often nothing.
pub(crate) fn outcomes(operation: &str, status: u16) -> impl Iterator<Item = Metric> {
    let of_operation = OUTCOMES.into_iter().filter(move |(name, on, _)| *name == operation && *on == status);
    let errors = [(status >= 500, Metric::ServerErrors), (status == 500, Metric::InternalErrors)];
    let errors = errors.into_iter().filter_map(|(counts, metric)| counts.then_some(metric));
    of_operation.map(|(_, _, metric)| metric).chain(errors)
}
