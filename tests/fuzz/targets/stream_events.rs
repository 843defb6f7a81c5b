//! Checks that each event of a stream or a schedule gets a response or is reported as an error, and that the process goes on.
//! The events go through the entry of the functions without a route.

#![no_main]

use std::sync::{LazyLock, Mutex, PoisonError};

use fuzz::{Outcome, RuntimeApi, ensure_function_environment};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use shared::{
    model::Timestamp,
    runtime::{BatchReport, StreamEvent, serve_stream},
};
use uuid::Uuid;

static API: LazyLock<Mutex<RuntimeApi>> =
    LazyLock::new(|| Mutex::new(RuntimeApi::start(|| serve_stream("purge-account", handle))));

fuzz_target!(init: ensure_function_environment(), |event: &[u8]| check(event));

/// Reports the records without a key, as the functions do.
async fn handle(event: StreamEvent, _: Timestamp) -> Result<BatchReport, lambda_runtime::Error> {
    let mut report = BatchReport::default();
    if let StreamEvent::Stream { records } = event {
        for record in records.iter().filter(|record| record.key("user_id").is_none()) {
            report.failed(record, "has no key");
        }
    }
    Ok(report)
}

fn check(event: &[u8]) {
    let outcome = API.lock().unwrap_or_else(PoisonError::into_inner).invoke(event);
    let value = serde_json::from_slice::<Value>(event).ok();
    let Some(Value::Object(event)) = value else {
        // Other JSON is not checked: serde also reads an array as a struct, so some arrays are events, too.
        return;
    };
    let Outcome::Response(response) = outcome else {
        panic!("the function must accept an object: {outcome:?}")
    };
    let records = event.get("Records").and_then(Value::as_array);
    let failed = records.into_iter().flatten().filter(|record| !has_key(record));
    let failures: Vec<Value> = failed
        .map(|record| json!({"itemIdentifier": record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()}))
        .collect();
    let report: Value = serde_json::from_slice(&response).expect("JSON");
    assert_eq!(report, json!({"batchItemFailures": failures}), "the records that failed");
}

/// Returns whether a record has the key of an item, which is a UUID.
fn has_key(record: &Value) -> bool {
    record
        .pointer("/dynamodb/Keys/user_id/S")
        .and_then(Value::as_str)
        .is_some_and(|text| Uuid::try_parse(text).is_ok())
}
