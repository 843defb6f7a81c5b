//! The capacity in the completion line is the capacity that DynamoDB reported, and is exactly as documented.
//! `access_patterns.rs` has the requests themselves.

use local::{
    fault_proxy::{Fault, RecordedCall, Rule},
    gateway::HttpRequest,
};
use serde_json::{Value, json};

use super::text;
use crate::{
    emf::{self, send},
    operations,
    test_app::{TestApp, get, movie, movie_path, post, put},
};

/// Read units and write units.
type Price = (f64, f64);

/// Returns the units in a completion line.
fn reported(line: &Value) -> Price {
    let values = emf::values(line);
    let units = |name: &str| values.get(name).copied().unwrap_or_default();
    (units("ReadCapacityUnits"), units("WriteCapacityUnits"))
}

/// Returns the units in the response of a call. Only transactions tell read units from write units.
fn answered(call: &RecordedCall) -> Price {
    let consumed = call.consumed_capacity.clone().unwrap_or_default();
    let parts = consumed.as_array().map_or_else(|| std::slice::from_ref(&consumed), Vec::as_slice);
    let sum = |name: &str| parts.iter().filter_map(|part| part[name].as_f64()).sum::<f64>();
    match call.operation.as_str() {
        "GetItem" | "BatchGetItem" | "Query" => (sum("CapacityUnits"), 0.0),
        "PutItem" | "UpdateItem" | "DeleteItem" => (0.0, sum("CapacityUnits")),
        "TransactWriteItems" => (sum("ReadCapacityUnits"), sum("WriteCapacityUnits")),
        other => panic!("{other} is not a request of an HTTP operation"),
    }
}

/// Panics unless the request succeeds and its line has these units, which are the units that DynamoDB reported.
async fn assert_price(app: &TestApp, what: &str, request: HttpRequest, expected: Price) {
    app.proxy.clear_calls();
    let (response, line) = send(app, &request).await;
    assert!((200..300).contains(&response.status), "{what}: {}", response.body);
    let calls = app.proxy.calls();
    let add =
        |(read, written): Price, call: &RecordedCall| (read + answered(call).0, written + answered(call).1);
    assert_eq!(
        reported(&line),
        calls.iter().fold((0.0, 0.0), add),
        "{what}: left is logged, right is reported by DynamoDB"
    );
    assert_eq!(reported(&line), expected, "{what}: {calls:#?}");
}

#[tokio::test]
async fn every_operation_costs_the_documented_units() {
    let app = TestApp::start_with_json_logs().await;
    operations::for_every_call(&app, async |operation, call, request| {
        let what = format!("{} {:?}", operation.name, call.body);
        assert_price(&app, &what, request, call.units).await;
    })
    .await;
}

#[tokio::test]
async fn large_items_cost_more() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let casts: Vec<String> = (0..40).map(|number| format!("{number:0>100}")).collect();
    let large = json!({"name": "Cleopatra", "casts": casts, "genres": ["Drama"]});
    let response = app.send(post("/api/movies", &large).bearer(&ann.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let path = format!("/api/movies/{}", text(&response, "id"));
    assert_price(&app, "get", get(&path), (2.0, 0.0)).await;
    assert_price(&app, "list", get("/api/movies"), (1.0, 0.0)).await;
}

/// DynamoDB has already committed the transaction, and charges the repetition as a read of the written items.
#[tokio::test]
async fn a_repeated_transaction_is_charged_as_a_read() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    app.proxy.inject(Rule::once(Fault::LoseResponse).on("TransactWriteItems"));
    let create = post("/api/movies", &movie("Alien")).bearer(&ann.token);
    app.proxy.clear_calls();
    let (response, line) = send(&app, &create).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let calls = app.proxy.calls();
    let [lost, repeated] = &calls[..] else { panic!("two transactions: {calls:#?}") };
    assert_eq!((answered(lost), answered(repeated)), ((0.0, 8.0), (6.0, 0.0)));
    // The units of the lost response are unknown.
    assert_eq!(reported(&line), (6.0, 0.0));
}

/// The capacity of a `BatchGetItem` that processed no key is 0.
#[tokio::test]
async fn a_metric_without_units_is_left_out() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    app.proxy.inject(Rule::once(Fault::Unprocessed).on("BatchGetItem"));
    app.proxy.inject(Rule::once(Fault::AccessDenied).on("BatchGetItem"));
    let rename = put(&movie_path(&movie), &json!({"name": "Aliens"})).bearer(&ann.token);
    let (response, line) = send(&app, &rename).await;
    assert_eq!(response.status, 500, "{}", response.body);
    let metrics = emf::values(&line);
    assert!(!metrics.contains_key("ReadCapacityUnits"), "{metrics:?}");
}

#[tokio::test]
async fn capacity_is_not_carried_over_to_the_next_request() {
    let app = TestApp::start_with_json_logs().await;
    for _ in 0..3 {
        assert_price(&app, "list", get("/api/movies"), (0.5, 0.0)).await;
    }
}
