//! Delivers a stream's records to the function of a mapping, and retries those that fail.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::invoke::Invoke;
use crate::template::StreamMapping;

/// How long to wait before the first retry. Every further wait is twice as long, up to a limit.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The delivery from one stream to one function.
pub struct Delivery<Functions> {
    mapping: StreamMapping,
    functions: Arc<Functions>,
    first_pause: Duration,
}

/// Records that are delivered together, and how often this batch has already failed.
struct Batch {
    records: Vec<Value>,
    failures: u32,
}

/// The position of the first record of a batch that failed, and the reason.
struct Failure {
    position: usize,
    reason: String,
}

impl<Functions: Invoke> Delivery<Functions> {
    pub fn new(mapping: StreamMapping, functions: Arc<Functions>) -> Self {
        Self { mapping, functions, first_pause: FIRST_PAUSE }
    }

    /// Returns the operation of the function.
    pub fn operation(&self) -> &str {
        &self.mapping.operation
    }

    /// Delivers the records that the mapping wants to the function, in order and in batches. Retries as the mapping says,
    /// and returns a message for each record that was given up.
    pub async fn deliver(&self, mut records: Vec<Value>) -> Vec<String> {
        records.retain(|record| self.mapping.wants(record));
        let batches = records.chunks(self.mapping.batch_size);
        let mut waiting: Vec<Batch> =
            batches.map(|records| Batch { records: records.to_vec(), failures: 0 }).rev().collect();
        let mut given_up = Vec::new();
        while let Some(Batch { mut records, failures }) = waiting.pop() {
            let Err(Failure { position, reason }) = self.invoke(&records).await else { continue };
            // As Lambda's checkpoint: the records before the first failure are done, all others are not.
            let mut records = records.split_off(position);
            if self.mapping.bisects && records.len() > 1 {
                let second = records.split_off(records.len() / 2);
                waiting.extend([second, records].map(|records| Batch { records, failures }));
            } else if self.mapping.retries.is_some_and(|retries| failures >= retries) {
                let message = |record| self.given_up_message(record, failures + 1, &reason);
                given_up.extend(records.iter().map(message));
            } else {
                let pause = self.first_pause.saturating_mul(2_u32.saturating_pow(failures));
                tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                waiting.push(Batch { records, failures: failures.saturating_add(1) });
            }
        }
        given_up
    }

    async fn invoke(&self, records: &[Value]) -> Result<(), Failure> {
        let event = json!({"Records": records});
        let whole = |error| Failure { position: 0, reason: format!("{error:#}") };
        let response = self.functions.invoke(self.operation(), &event).await.map_err(whole)?;
        if !self.mapping.reports_failures {
            return Ok(());
        }
        match first_failure(&response, records).map_err(whole)? {
            None => Ok(()),
            Some(position) => Err(Failure { position, reason: "it reported a failure".to_owned() }),
        }
    }

    fn given_up_message(&self, record: &Value, times: u32, reason: &str) -> String {
        let StreamMapping { table, operation, .. } = &self.mapping;
        let number = sequence_number(record);
        format!(
            "Gave up on the record {number} of {table}: {operation} failed {times} times ({reason}). \
             `cargo local` delivers it again at its next start."
        )
    }
}

/// Returns the first position that the response's `batchItemFailures` names. A response that names no record of the batch
/// is a failure of all records, as for Lambda.
fn first_failure(response: &Value, records: &[Value]) -> Result<Option<usize>> {
    let failures = match &response["batchItemFailures"] {
        Value::Null => return Ok(None),
        failures => failures.as_array().context("batchItemFailures is not a list")?,
    };
    let position = |failure: &Value| {
        let named = failure["itemIdentifier"].as_str();
        let position = records.iter().position(|record| Some(sequence_number(record)) == named);
        position.with_context(|| format!("{failure} names no record of the batch"))
    };
    let positions: Vec<usize> = failures.iter().map(position).collect::<Result<_>>()?;
    Ok(positions.into_iter().min())
}

fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::{super::invoke::tests::Recorder, *};

    const FAILS: Result<Value, &str> = Err("no");

    fn mapping() -> StreamMapping {
        StreamMapping {
            table: "JobsTable".to_owned(),
            operation: "work".to_owned(),
            batch_size: 4,
            event_names: vec!["INSERT".to_owned(), "MODIFY".to_owned()],
            bisects: true,
            retries: Some(2),
            reports_failures: true,
        }
    }

    /// A response that reports these records as failed.
    fn reports(failures: &Value) -> Vec<Result<Value, &'static str>> {
        vec![Ok(json!({"batchItemFailures": failures}))]
    }

    /// Delivers records with these numbers, of which those with an exclamation mark are of removed items. Returns the
    /// numbers of each invocation, and the messages about records that were given up.
    async fn deliver(
        mapping: StreamMapping,
        numbers: &str,
        responses: Vec<Result<Value, &'static str>>,
    ) -> (Vec<String>, Vec<String>) {
        let functions = Arc::new(Recorder { responses: Mutex::new(responses.into()), ..Recorder::default() });
        let new = Delivery::new(mapping, Arc::clone(&functions));
        let record = |number: &str| {
            let name = if number.ends_with('!') { "REMOVE" } else { "INSERT" };
            json!({"eventName": name, "dynamodb": {"SequenceNumber": number}})
        };
        let records = numbers.split(' ').map(record).collect();
        let given_up = Delivery { first_pause: Duration::from_millis(1), ..new }.deliver(records).await;
        let numbers = |event: &Value| {
            let records = event["Records"].as_array().expect("records").iter();
            records.map(|record| sequence_number(record).to_owned()).collect::<Vec<_>>().join(" ")
        };
        let invocations = functions.invocations.lock().expect("the invocations");
        assert!(invocations.iter().all(|(function, _)| function == "work"));
        (invocations.iter().map(|(_, event)| numbers(event)).collect(), given_up)
    }

    #[tokio::test]
    async fn wanted_records_are_delivered_in_order_and_in_batches() {
        for (numbers, expected) in [("1 2 3 4 5", vec!["1 2 3 4", "5"]), ("1!", vec![]), ("1! 2", vec!["2"])]
        {
            let (invocations, given_up) = deliver(mapping(), numbers, Vec::new()).await;
            assert_eq!(invocations, expected);
            assert!(given_up.is_empty());
        }
    }

    #[tokio::test]
    async fn records_from_the_first_reported_failure_on_are_retried() {
        let reported = json!([{"itemIdentifier": "4"}, {"itemIdentifier": "3"}]);
        let (invocations, given_up) = deliver(mapping(), "1 2 3 4", reports(&reported)).await;
        assert_eq!(invocations, ["1 2 3 4", "3", "4"]);
        assert!(given_up.is_empty());
        let without_reports = StreamMapping { reports_failures: false, ..mapping() };
        let reported = json!([{"itemIdentifier": "1"}]);
        assert_eq!(deliver(without_reports, "1", reports(&reported)).await.0, ["1"]);
    }

    #[tokio::test]
    async fn a_batch_that_fails_is_halved_and_the_others_go_on() {
        // 1 2 3 4, then 1 2, then 1 three times, then 2 and 3 4.
        let (invocations, given_up) = deliver(mapping(), "1 2 3 4", vec![FAILS; 5]).await;
        assert_eq!(invocations, ["1 2 3 4", "1 2", "1", "1", "1", "2", "3 4"]);
        let message = "Gave up on the record 1 of JobsTable: work failed 3 times (no). \
                       `cargo local` delivers it again at its next start.";
        assert_eq!(given_up, [message]);
    }

    #[tokio::test]
    async fn retries_end_at_the_limit_of_the_mapping() {
        let whole = StreamMapping { bisects: false, ..mapping() };
        let (invocations, given_up) = deliver(whole, "1 2", vec![FAILS; 3]).await;
        assert_eq!((invocations, given_up.len()), (vec!["1 2".to_owned(); 3], 2));
        let endless = StreamMapping { retries: None, ..mapping() };
        let (invocations, given_up) = deliver(endless, "1", vec![FAILS; 8]).await;
        assert_eq!((invocations.len(), given_up.len()), (9, 0));
    }

    #[tokio::test]
    async fn a_response_that_names_no_record_is_a_failure_of_all() {
        let unknown = ["", "7"].map(|number| json!([{"itemIdentifier": number}]));
        let malformed = [json!([{"itemIdentifier": null}]), json!([{}]), json!("1")];
        for failures in unknown.into_iter().chain(malformed) {
            let (invocations, _) = deliver(mapping(), "1 2", reports(&failures)).await;
            assert_eq!(invocations, ["1 2", "1", "2"], "{failures}");
        }
    }
}
