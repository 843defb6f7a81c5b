//! Every fault, as a plain HTTP client of the proxy sees it.

mod weather;

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

use super::*;
use crate::database::{EmbeddedDatabase, Storage, with_tables};

async fn start() -> (EmbeddedDatabase, FaultProxy) {
    let database = with_tables(Storage::Memory).await;
    let proxy = FaultProxy::start(database.endpoint()).await.expect("a proxy");
    (database, proxy)
}

/// Sends a request. Returns the status and body of the response, or `None` if the connection broke.
async fn send(proxy: &FaultProxy, caller: &str, operation: &str, body: Value) -> Option<(u16, Value)> {
    let request = Request::post(proxy.endpoint_for(caller))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00")
        .body(Full::<Bytes>::from(body.to_string()))
        .expect("a request");
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

fn put(key: &str) -> Value {
    json!({"TableName": "UsersTable", "Item": {"pk": {"S": key}}})
}

fn transaction() -> Value {
    let item = put("a");
    let check = json!({"TableName": "UsersTable", "Key": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_not_exists(pk)"});
    json!({"TransactItems": [{"Put": item}, {"ConditionCheck": check}], "ReturnConsumedCapacity": "TOTAL"})
}

#[tokio::test]
async fn calls_are_forwarded_and_recorded() {
    let (database, proxy) = start().await;
    let (status, _) = send(&proxy, "signup", "TransactWriteItems", transaction()).await.expect("a response");
    assert_eq!(status, 200);
    assert_eq!(database.items("UsersTable").expect("items").len(), 1);
    let [call] = &proxy.calls_of("signup")[..] else { panic!("one call expected") };
    assert_eq!((call.operation.as_str(), call.status), ("TransactWriteItems", 200));
    assert_eq!(call.tables, ["UsersTable"]);
    let items = [("Put", "UsersTable"), ("ConditionCheck", "UsersTable")];
    assert_eq!(call.transaction_items, items.map(|(action, table)| (action.to_owned(), table.to_owned())));
    assert_eq!(call.consumed_capacity.as_ref().expect("capacity")[0]["TableName"], "UsersTable");
    proxy.clear_calls();
    assert!(proxy.calls().is_empty());
}

#[tokio::test]
async fn faults_have_the_form_of_dynamodb() {
    let (database, proxy) = start().await;
    let service = "com.amazonaws.dynamodb.v20120810#";
    let cases = [
        (Fault::Throttle, 400, json!(format!("{service}ProvisionedThroughputExceededException"))),
        (
            Fault::TransactionConflict { position: 0 },
            400,
            json!(format!("{service}TransactionConflictException")),
        ),
        (Fault::ServerError, 500, json!(format!("{service}InternalServerError"))),
        (Fault::Unavailable503, 503, Value::Null),
        (Fault::AccessDenied, 400, json!("com.amazon.coral.service#AccessDeniedException")),
        (Fault::TableMissing, 400, json!(format!("{service}ResourceNotFoundException"))),
    ];
    for (fault, status, kind) in cases {
        proxy.inject(Rule::once(fault));
        let (actual, body) = send(&proxy, "signup", "PutItem", put("a")).await.expect("a response");
        assert_eq!((actual, &body["__type"]), (status, &kind));
    }
    assert!(database.items("UsersTable").expect("items").is_empty());
}

#[tokio::test]
async fn an_unprocessed_batch_returns_all_its_keys() {
    let (_database, proxy) = start().await;
    let keys =
        json!({"UsersTable": {"Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "b"}}], "ConsistentRead": true}});
    let request = json!({"RequestItems": keys, "ReturnConsumedCapacity": "TOTAL"});
    proxy.inject(Rule::once(Fault::Unprocessed));
    let (status, body) = send(&proxy, "purge", "BatchGetItem", request.clone()).await.expect("a response");
    assert_eq!((status, &body["UnprocessedKeys"], &body["Responses"]), (200, &keys, &json!({})));
    assert_eq!(body["ConsumedCapacity"], json!([{"TableName": "UsersTable", "CapacityUnits": 0.0}]));
    let (status, body) = send(&proxy, "purge", "BatchGetItem", request).await.expect("a response");
    assert_eq!((status, &body["UnprocessedKeys"]), (200, &json!({})), "the next one is processed: {body}");
}

#[tokio::test]
async fn a_gate_that_no_call_reaches_panics_and_says_what_it_holds() {
    let (_database, proxy) = start().await;
    let gate = Gate::new();
    proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("signup").on("Query").after(2));
    send(&proxy, "signup", "Query", json!({"TableName": "UsersTable"})).await.expect("a response");
    let started = tokio::time::Instant::now();
    let waiting = tokio::spawn(async move { gate.reached().await }).await;
    let panic = waiting.expect_err("it gives up").into_panic();
    let message = panic.downcast_ref::<String>().expect("a message");
    let expected = "0 of 1 calls reached the gate, 1 passed before, and no other for 10 s. \
                    The gate holds: Query of signup, after 2 of them";
    assert_eq!(message, expected);
    assert!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn cancellations_have_a_reason_for_every_item() {
    let (_database, proxy) = start().await;
    proxy.inject(Rule::once(Fault::TransactionConflict { position: 1 }));
    proxy.inject(Rule::once(Fault::CancellationReasons(vec![
        "ConditionalCheckFailed",
        "TransactionConflict",
    ])));
    let mut codes = Vec::new();
    for _ in 0..2 {
        let (status, body) =
            send(&proxy, "signup", "TransactWriteItems", transaction()).await.expect("a response");
        assert_eq!(status, 400);
        let reasons = body["CancellationReasons"].as_array().expect("reasons").clone();
        codes.push(reasons.iter().map(|reason| reason["Code"].clone()).collect::<Vec<_>>());
    }
    assert_eq!(codes, [["None", "TransactionConflict"], ["ConditionalCheckFailed", "TransactionConflict"]]);
}

#[tokio::test]
async fn rules_choose_callers_operations_and_positions() {
    let (_database, proxy) = start().await;
    proxy.inject(Rule { times: 2, ..Rule::once(Fault::ServerError).from("login").on("PutItem").after(1) });
    let mut statuses = Vec::new();
    for caller in ["login", "signup", "login", "login", "login"] {
        statuses.push(send(&proxy, caller, "PutItem", put("a")).await.expect("a response").0);
    }
    assert_eq!(statuses, [200, 200, 500, 500, 200]);
    proxy.inject(Rule::always(Fault::Throttle));
    proxy.clear_rules();
    assert_eq!(send(&proxy, "login", "PutItem", put("a")).await.expect("a response").0, 200);
}

#[tokio::test]
async fn a_lost_response_is_committed() {
    let (database, proxy) = start().await;
    proxy.inject(Rule::once(Fault::LoseResponse));
    assert_eq!(send(&proxy, "signup", "PutItem", put("a")).await, None);
    assert_eq!(database.items("UsersTable").expect("items").len(), 1);
    assert_eq!(proxy.calls()[0].status, 200);
}

#[tokio::test]
async fn a_stalled_call_gets_no_response() {
    let (database, proxy) = start().await;
    proxy.inject(Rule::once(Fault::Stall));
    let call = tokio::time::timeout(Duration::from_millis(200), send(&proxy, "signup", "PutItem", put("a")));
    assert!(call.await.is_err());
    assert_eq!(proxy.calls()[0].status, 0);
    assert!(database.items("UsersTable").expect("items").is_empty());
}

#[tokio::test]
async fn a_held_call_reaches_the_database_when_the_gate_opens() {
    let (database, proxy) = start().await;
    let gate = Gate::new();
    proxy.inject(Rule::once(Fault::Hold(gate.clone())));
    let race = async {
        gate.reached().await;
        assert!(database.items("UsersTable").expect("items").is_empty());
        gate.open();
    };
    let (response, ()) = tokio::join!(send(&proxy, "signup", "PutItem", put("a")), race);
    assert_eq!(response.expect("a response").0, 200);
    assert_eq!(database.items("UsersTable").expect("items").len(), 1);
}
