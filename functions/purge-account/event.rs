//! What wakes the purge, and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What wakes the purge: records of the stream of `AccountDeletions`, or anything else, which is the schedule.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// Account deletions that are new, or were woken again.
    Stream {
        /// In the order of the stream.
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// Look for account deletions that are left.
    Schedule {},
}

/// A record of the stream. Whatever it holds, it can be read, so that a bad one harms no other.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Record(Value);

/// A record that names no user.
#[derive(Debug, thiserror::Error)]
#[error("the record names no user")]
pub struct NoUserId;

impl Record {
    /// Whose account deletion it is.
    pub fn user_id(&self) -> Result<Uuid, NoUserId> {
        let text = self.0["dynamodb"]["Keys"]["user_id"]["S"].as_str();
        text.and_then(|text| Uuid::try_parse(text).ok()).ok_or(NoUserId)
    }

    /// Its place in the stream.
    pub fn sequence_number(&self) -> &str {
        self.0["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
    }
}

/// Which records have to be tried again.
#[derive(Default, Serialize)]
pub struct Report {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<Failure>,
}

#[derive(Serialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    sequence_number: String,
}

impl Report {
    /// Adds a record.
    pub fn failed(&mut self, record: &Record) {
        self.failures.push(Failure { sequence_number: record.sequence_number().to_owned() });
    }
}
