//! Delivers a stream's records to the function of a mapping, and tries those again that fail.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Invoke;
use crate::template::StreamMapping;

/// How long to wait before the first new try. Every further one waits twice as long as the one before, up to a limit.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The way from one stream to one function.
pub struct Delivery<Functions> {
    mapping: StreamMapping,
    functions: Arc<Functions>,
    first_pause: Duration,
}

/// Records that go to the function together, and how often they have already failed as such.
struct Batch {
    records: Vec<Value>,
    failures: u32,
}

impl<Functions: Invoke> Delivery<Functions> {
    /// The way that a mapping describes.
    pub fn new(mapping: StreamMapping, functions: Arc<Functions>) -> Self {
        Self { mapping, functions, first_pause: FIRST_PAUSE }
    }

    /// The operation of the function.
    pub fn operation(&self) -> &str {
        &self.mapping.operation
    }

    /// Hands the records that the mapping wants to the function, in their order and in batches. What fails is tried
    /// again as the mapping says; a line for each record that was given up comes back.
    pub async fn deliver(&self, mut records: Vec<Value>) -> Vec<String> {
        records.retain(|record| self.mapping.wants(record));
        let batches = records.chunks(self.mapping.batch_size);
        let mut waiting: Vec<Batch> =
            batches.map(|records| Batch { records: records.to_vec(), failures: 0 }).rev().collect();
        let mut given_up = Vec::new();
        while let Some(Batch { mut records, failures }) = waiting.pop() {
            let Err(Failure { position, reason }) = self.hand_over(&records).await else { continue };
            // Like Lambda's checkpoint: what stands before the first failure is done, all the rest is not.
            let mut records = records.split_off(position);
            if self.mapping.bisects && records.len() > 1 {
                let second = records.split_off(records.len() / 2);
                waiting.extend([second, records].map(|records| Batch { records, failures }));
            } else if self.mapping.retries.is_some_and(|retries| failures >= retries) {
                given_up.extend(records.iter().map(|record| self.obituary(record, failures + 1, &reason)));
            } else {
                let pause = self.first_pause.saturating_mul(2_u32.saturating_pow(failures));
                tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                waiting.push(Batch { records, failures: failures.saturating_add(1) });
            }
        }
        given_up
    }

    async fn hand_over(&self, records: &[Value]) -> Result<(), Failure> {
        let event = json!({"Records": records});
        let whole = |reason| Failure { position: 0, reason };
        let answer = self.functions.invoke(self.operation(), &event).await;
        let answer = answer.map_err(|error| whole(format!("{error:#}")))?;
        let failed = if self.mapping.reports_failures { failed(&answer, records) } else { Ok(None) };
        match failed {
            Ok(None) => Ok(()),
            Ok(Some(position)) => Err(Failure { position, reason: "it reported a failure".to_owned() }),
            Err(error) => Err(whole(format!("{error:#}"))),
        }
    }

    fn obituary(&self, record: &Value, times: u32, reason: &str) -> String {
        let StreamMapping { table, operation, .. } = &self.mapping;
        let number = sequence_number(record);
        format!(
            "Gave up on the record {number} of {table}: {operation} failed {times} times ({reason}). \
             It is delivered again when `cargo local` starts anew."
        )
    }
}

/// Where in a batch the function failed, and why.
struct Failure {
    position: usize,
    reason: String,
}

/// The first position that the answer's `batchItemFailures` names. An answer that names no record of the batch is a
/// failure of all, as for Lambda.
fn failed(answer: &Value, records: &[Value]) -> Result<Option<usize>> {
    let failures = match &answer["batchItemFailures"] {
        Value::Null => return Ok(None),
        failures => failures.as_array().context("batchItemFailures is no list")?,
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
pub mod tests;
