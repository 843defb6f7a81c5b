//! The functions on a second implementation of `DynamoDB`, so that they do not depend on what only the embedded database
//! does.

use local::runtime_api::Outcome;
use serde_json::{Value, json};

use crate::{
    operations::{self, Operation},
    test_app::{ACCOUNT_DELETIONS, OUTBOX, TestApp, TestUser},
};

/// The address of an empty database: `.ci/second_database.py` starts one.
const ENDPOINT: &str = "SECOND_DATABASE";

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the address is chosen when the database starts")]
#[ignore = "needs the address of another implementation of DynamoDB in SECOND_DATABASE"]
async fn every_operation_succeeds_on_a_second_database() {
    let endpoint = std::env::var(ENDPOINT).expect("SECOND_DATABASE is set");
    let app = TestApp::start_on(&endpoint).await;
    let reset_token = async |operation: &Operation, user: &TestUser| {
        // More requests would reach the limit of an address.
        if operation.name != "reset-password" {
            return String::new();
        }
        assert_eq!(app.forgot_password(&user.email).await.status, 202);
        deliver(&app, OUTBOX, "id", "send-mail").await;
        app.last_reset_token(user)
    };
    operations::for_every_call_with(&app, reset_token, async |operation, call, request| {
        let response = app.send(request).await;
        assert_eq!(
            response.status,
            operation.success(),
            "{} {:?}: {}",
            operation.name,
            call.body,
            response.body
        );
    })
    .await;
    deliver(&app, OUTBOX, "id", "send-mail").await;
    deliver(&app, ACCOUNT_DELETIONS, "user_id", "purge-account").await;
}

/// Invokes the function that a table's stream triggers with records of all its items, and checks that it has dealt with
/// each.
async fn deliver(app: &TestApp, table: &str, key: &str, operation: &str) {
    let waiting = items(app, table).await;
    assert!(!waiting.is_empty(), "{table} is empty");
    let record = |(number, item): (usize, &Value)| {
        let keys = json!({key: item[key]});
        json!({"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": number.to_string()}})
    };
    let records: Vec<Value> = waiting.iter().enumerate().map(record).collect();
    let report = app.function(operation).await.invoke(&json!({"Records": records})).await;
    assert_eq!(report, Outcome::Response(json!({"batchItemFailures": []})), "{operation}");
    assert_eq!(items(app, table).await, [Value::Null; 0], "{table} after {operation}");
}

/// Returns the items of a table of the second database.
async fn items(app: &TestApp, table: &str) -> Vec<Value> {
    let scan = app.proxy.request("Scan", &json!({"TableName": table})).await.expect("a scan");
    scan["Items"].as_array().expect("items").clone()
}
