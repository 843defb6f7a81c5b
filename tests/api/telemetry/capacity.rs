//! What the line says an operation cost is what DynamoDB answered, and exactly what it may cost. `requests.rs` has the
//! requests themselves.

use local::{
    fault_proxy::{Fault, RecordedCall, Rule},
    gateway::HttpRequest,
};
use serde_json::{Value, json};

use super::{start, text};
use crate::{
    emf::{self, send},
    test_app::{PASSWORD, TestApp, delete, get, movie, post, put},
};

/// Read units and write units.
type Price = (f64, f64);

/// What a line says.
fn reported(line: &Value) -> Price {
    let values = emf::values(line);
    let units = |name: &str| values.get(name).copied().unwrap_or_default();
    (units("ReadCapacityUnits"), units("WriteCapacityUnits"))
}

/// What the answer of a call says. Only transactions name the kind of the units.
fn answered(call: &RecordedCall) -> Price {
    let consumed = call.consumed_capacity.clone().unwrap_or_default();
    let parts = consumed.as_array().map_or_else(|| std::slice::from_ref(&consumed), Vec::as_slice);
    let sum = |name: &str| parts.iter().filter_map(|part| part[name].as_f64()).sum::<f64>();
    match call.operation.as_str() {
        "GetItem" | "Query" => (sum("CapacityUnits"), 0.0),
        "PutItem" | "UpdateItem" | "DeleteItem" => (0.0, sum("CapacityUnits")),
        "TransactWriteItems" => (sum("ReadCapacityUnits"), sum("WriteCapacityUnits")),
        other => panic!("{other} is not made in a request"),
    }
}

/// The request succeeds, and its line says this price, which is what the answers said.
async fn assert_price(app: &TestApp, what: &str, request: HttpRequest, expected: Price) {
    app.proxy.clear_calls();
    let (response, line) = send(app, &request).await;
    assert!((200..300).contains(&response.status), "{what}: {}", response.body);
    let calls = app.proxy.calls();
    let add =
        |(read, written): Price, call: &RecordedCall| (read + answered(call).0, written + answered(call).1);
    assert_eq!(reported(&line), calls.iter().fold((0.0, 0.0), add), "{what}: left is told, right is true");
    assert_eq!(reported(&line), expected, "{what}: {calls:#?}");
}

#[tokio::test]
async fn every_operation_costs_what_is_known_of_dynamodb() {
    let app = start().await;
    let ann = app.person("ann").await;
    let path = format!("/api/movies/{}", app.movie(&ann, "Alien").await["id"].as_str().expect("an id"));
    let credentials = json!({"email": "bob@example.com", "password": PASSWORD});
    let passwords = json!({"current_password": PASSWORD, "new_password": "a bag full of new movies"});
    let ann = |request: HttpRequest| request.bearer(&ann.token);
    let title = |name: &str| json!({"name": name});
    for (what, request, price) in [
        ("sign up", post("/api/auth/signup", &credentials), (0.0, 4.0)),
        // Two reads and the counters: one read; two up and one put; one deleted and two down.
        ("log in", post("/api/auth/login", &credentials), (3.0, 6.0)),
        ("read the account", ann(get("/api/auth/account")), (1.0, 0.0)),
        ("list", get("/api/movies"), (0.5, 0.0)),
        ("get", get(&path), (1.0, 0.0)),
        // Three writes in a transaction, and both indexes.
        ("create", ann(post("/api/movies", &movie("Brazil"))), (1.0, 8.0)),
        ("change the genres", ann(put(&path, &json!({"genres": ["Horror"]}))), (1.0, 2.0)),
        ("spell the name anew", ann(put(&path, &title("ALIEN"))), (2.0, 2.0)),
        // The key of one index changes: one item out, one in.
        ("change the name", ann(put(&path, &title("Aliens"))), (2.0, 8.0)),
        ("delete", ann(delete(&path)), (2.0, 8.0)),
        // Two reads; two windows up and one put; one deleted, and the user.
        ("change the password", ann(put("/api/auth/password", &passwords)), (2.0, 5.0)),
    ] {
        assert_price(&app, what, request, price).await;
    }
    let token = text(&app.log_in("bob@example.com", PASSWORD).await, "token");
    assert_price(&app, "log out", post("/api/auth/logout", &json!({})).bearer(&token), (1.0, 1.0)).await;
    let token = text(&app.log_in("bob@example.com", PASSWORD).await, "token");
    assert_price(&app, "leave", delete("/api/auth/account").bearer(&token), (1.0, 4.0)).await;
}

#[tokio::test]
async fn what_is_large_costs_more() {
    let app = start().await;
    let ann = app.person("ann").await;
    let casts: Vec<String> = (0..40).map(|number| format!("{number:0>100}")).collect();
    let large = json!({"name": "Cleopatra", "casts": casts, "genres": ["Drama"]});
    let response = app.send(post("/api/movies", &large).bearer(&ann.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let path = format!("/api/movies/{}", text(&response, "id"));
    assert_price(&app, "get", get(&path), (2.0, 0.0)).await;
    assert_price(&app, "list", get("/api/movies"), (1.0, 0.0)).await;
}

/// DynamoDB finds that it has committed the transaction already, and charges the repetition as a read of what it wrote.
#[tokio::test]
async fn a_transaction_that_is_repeated_is_charged_as_a_read() {
    let app = start().await;
    let ann = app.person("ann").await;
    app.proxy.inject(Rule::once(Fault::LoseResponse).on("TransactWriteItems"));
    let create = post("/api/movies", &movie("Alien")).bearer(&ann.token);
    app.proxy.clear_calls();
    let (response, line) = send(&app, &create).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let calls = app.proxy.calls();
    let [_, lost, repeated] = &calls[..] else { panic!("a check and two transactions: {calls:#?}") };
    assert_eq!((answered(lost), answered(repeated)), ((0.0, 8.0), (6.0, 0.0)));
    // Of the answer that got lost nobody knows; the check of the token is a read, too.
    assert_eq!(reported(&line), (7.0, 0.0));
}

#[tokio::test]
async fn a_request_is_charged_for_its_own_requests_only() {
    let app = start().await;
    for _ in 0..3 {
        assert_price(&app, "list", get("/api/movies"), (0.5, 0.0)).await;
    }
}
