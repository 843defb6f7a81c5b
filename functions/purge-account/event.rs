//! The events that trigger the function, and its response to Lambda.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// An event: records of the stream of `AccountDeletions`, or anything else, which comes from the schedule.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// New or retriggered account deletions.
    Stream {
        /// The records in the order of the stream.
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// The hourly run, for all pending account deletions.
    Schedule {},
}

/// A record of the stream. Any JSON value deserializes, so that an invalid record does not affect the others.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Record(Value);

/// A record has no user id.
#[derive(Debug, thiserror::Error)]
#[error("the record has no user id")]
pub struct NoUserId;

impl Record {
    /// Returns the id of the user whose account is to be deleted.
    pub fn user_id(&self) -> Result<Uuid, NoUserId> {
        let text = self.0["dynamodb"]["Keys"]["user_id"]["S"].as_str();
        text.and_then(|text| Uuid::try_parse(text).ok()).ok_or(NoUserId)
    }

    /// Returns the position in the stream.
    pub fn sequence_number(&self) -> &str {
        self.0["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
    }
}

/// The records that Lambda has to deliver again (`ReportBatchItemFailures`).
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
