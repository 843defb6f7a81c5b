//! Functions that the stream of a table and a schedule trigger.

use std::future::Future;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;
use uuid::Uuid;

use super::{CLOCK, deadline, reporter};
use crate::{
    model::Timestamp,
    telemetry::{Completion, Invocation, Severity, error_chain},
};

/// An event: records of a stream, or anything else, which comes from the schedule.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum StreamEvent {
    /// Changes of the table.
    Stream {
        /// The records in the order of the stream.
        #[serde(rename = "Records")]
        records: Vec<StreamRecord>,
    },
    /// The scheduled run.
    Schedule {},
}

/// A record of a stream. Any JSON value deserializes, so that an invalid record does not affect the others.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct StreamRecord(Value);

impl StreamRecord {
    /// Returns the partition key, whose attribute has this name; `None` if the record has no such id.
    #[must_use]
    pub fn key(&self, attribute: &str) -> Option<Uuid> {
        let text = self.0["dynamodb"]["Keys"][attribute]["S"].as_str();
        text.and_then(|text| Uuid::try_parse(text).ok())
    }

    /// Returns the position in the stream.
    fn sequence_number(&self) -> &str {
        self.0["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
    }
}

/// The records that Lambda has to deliver again (`ReportBatchItemFailures`).
#[derive(Debug, Default, Serialize)]
pub struct BatchReport {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
struct BatchItemFailure {
    #[serde(rename = "itemIdentifier")]
    sequence_number: String,
}

impl BatchReport {
    /// Adds a record, and logs why it failed.
    pub fn failed(&mut self, record: &StreamRecord, cause: &str) {
        let sequence_number = record.sequence_number();
        tracing::error!(sequence_number, cause, "a record failed");
        self.failures.push(BatchItemFailure { sequence_number: sequence_number.to_owned() });
    }
}

/// Handles events with `handler` until Lambda ends the process. `operation` is the name of the function:
/// `env!("CARGO_BIN_NAME")`. The handler gets an event and the time at which Lambda ends the invocation.
pub async fn serve_stream<Handler, Handling>(operation: &'static str, handler: Handler) -> Result<(), Error>
where
    Handler: Fn(StreamEvent, Timestamp) -> Handling,
    Handling: Future<Output = Result<BatchReport, Error>>,
{
    let reporter = reporter(operation);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<StreamEvent>| {
        let invocation = Invocation::of(&event.context);
        let span = tracing::error_span!("invocation", request_id = invocation.request_id);
        let deadline = deadline(&event.context, CLOCK.now());
        let handling = Box::pin(handler(event.payload, deadline));
        reporter.observe(&invocation, handling, completion).instrument(span).await
    }))
    .await
}

fn completion(outcome: &Result<BatchReport, Error>) -> Completion {
    let cause = outcome.as_ref().err().map(|error| error_chain(&**error));
    let level = if cause.is_some() { Severity::Error } else { Severity::Info };
    Completion { level, message: "invocation completed", status: None, code: None, cause }
}
