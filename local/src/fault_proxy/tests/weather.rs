//! The rules of the weather. Each test switches on one of them.

use std::num::NonZero;

use super::*;

/// Nothing that differs from the embedded database.
const CALM: Weather = Weather {
    transaction_time: Duration::ZERO,
    longest_lag: Duration::ZERO,
    throttled: None,
    splits_batches: false,
};

/// Longer than any test.
const FOREVER: Duration = Duration::from_hours(1);

async fn start_in(weather: Weather) -> (EmbeddedDatabase, FaultProxy) {
    let (database, proxy) = start().await;
    proxy.set_weather(weather, &database, crate::fixture::template().tables()).await.expect("the weather");
    (database, proxy)
}

fn key(key: &str) -> Value {
    json!({"pk": {"S": key}})
}

fn request_for(item: &str) -> Value {
    json!({"TableName": "UsersTable", "Key": key(item)})
}

/// A transaction that checks each of these items.
fn checks(items: &[&str], token: &str) -> Value {
    let check = |item: &&str| {
        let mut check = request_for(item);
        check["ConditionExpression"] = json!("attribute_not_exists(pk)");
        json!({"ConditionCheck": check})
    };
    let items: Vec<Value> = items.iter().map(check).collect();
    json!({"TransactItems": items, "ClientRequestToken": token})
}

/// Returns the status of a response with the kind of its error and the codes of its cancellation reasons.
async fn outcome(proxy: &FaultProxy, operation: &str, body: Value) -> (u16, String) {
    let (status, body) = send(proxy, "signup", operation, body).await.expect("a response");
    let kind = body["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or_default();
    let reasons = body["CancellationReasons"].as_array().into_iter().flatten();
    let codes = reasons.map(|reason| format!(" {}", reason["Code"].as_str().expect("a code")));
    (status, [kind.to_owned(), codes.collect()].concat())
}

/// Starts a transaction on the items `a` and `b` that stays in flight, and waits until it is.
async fn start_transaction(proxy: &Arc<FaultProxy>) -> tokio::task::JoinHandle<(u16, String)> {
    let sender = Arc::clone(proxy);
    let mut body = transaction();
    body["ClientRequestToken"] = json!("first");
    let sending = tokio::spawn(async move { outcome(&sender, "TransactWriteItems", body).await });
    let beginning = async { while outcome(proxy, "PutItem", put("a")).await.0 == 200 {} };
    tokio::time::timeout(Duration::from_secs(10), beginning).await.expect("the transaction is in flight");
    sending
}

#[tokio::test]
async fn single_writes_conflict_with_a_transaction_in_flight() {
    let (_database, proxy) = start_in(Weather { transaction_time: FOREVER, ..CALM }).await;
    let proxy = Arc::new(proxy);
    start_transaction(&proxy).await;
    for item in ["a", "b", "c"] {
        let conflict = match item {
            "c" => (200, String::new()),
            _ => (400, "TransactionConflictException".to_owned()),
        };
        assert_eq!(outcome(&proxy, "PutItem", put(item)).await, conflict, "put {item}");
        for write in ["UpdateItem", "DeleteItem"] {
            assert_eq!(outcome(&proxy, write, request_for(item)).await, conflict, "{write} {item}");
        }
    }
}

#[tokio::test]
async fn reads_never_conflict_with_a_transaction() {
    let (_database, proxy) = start_in(Weather { transaction_time: FOREVER, ..CALM }).await;
    let proxy = Arc::new(proxy);
    start_transaction(&proxy).await;
    let mut get = request_for("a");
    get["ConsistentRead"] = json!(true);
    assert_eq!(outcome(&proxy, "GetItem", get).await.0, 200);
    let batch = json!({"RequestItems": {"UsersTable": {"Keys": [key("a"), key("b")]}}});
    assert_eq!(outcome(&proxy, "BatchGetItem", batch).await.0, 200);
    assert_eq!(outcome(&proxy, "Query", query("UsersTable", "pk", "a")).await.0, 200);
    assert_eq!(outcome(&proxy, "Scan", json!({"TableName": "UsersTable"})).await.0, 200);
}

#[tokio::test]
async fn transactions_conflict_at_their_common_items() {
    let (_database, proxy) = start_in(Weather { transaction_time: FOREVER, ..CALM }).await;
    let proxy = Arc::new(proxy);
    start_transaction(&proxy).await;
    let canceled = "TransactionCanceledException None TransactionConflict None TransactionConflict";
    let second = checks(&["c", "b", "d", "a"], "second");
    assert_eq!(outcome(&proxy, "TransactWriteItems", second).await, (400, canceled.to_owned()));
    let again = checks(&["d"], "first");
    let in_progress = (400, "TransactionInProgressException".to_owned());
    assert_eq!(outcome(&proxy, "TransactWriteItems", again).await, in_progress);
}

#[tokio::test]
async fn a_repetition_of_a_committed_transaction_never_conflicts() {
    let (_database, proxy) = start_in(Weather { transaction_time: Duration::from_secs(1), ..CALM }).await;
    let proxy = Arc::new(proxy);
    let second = checks(&["c"], "second");
    assert_eq!(outcome(&proxy, "TransactWriteItems", second.clone()).await.0, 200);
    let other = Arc::clone(&proxy);
    let third =
        tokio::spawn(async move { outcome(&other, "TransactWriteItems", checks(&["c"], "third")).await });
    let repeating = async {
        while outcome(&proxy, "PutItem", put("c")).await.0 == 200 {}
        outcome(&proxy, "TransactWriteItems", second).await
    };
    let repeated = tokio::time::timeout(Duration::from_secs(10), repeating).await.expect("a response");
    assert_eq!(repeated, (200, String::new()));
    assert!(!third.is_finished(), "it was in flight meanwhile");
}

#[tokio::test]
async fn conflicts_end_with_the_transaction() {
    let (database, proxy) = start_in(Weather { transaction_time: Duration::from_millis(500), ..CALM }).await;
    let proxy = Arc::new(proxy);
    let first = start_transaction(&proxy).await;
    assert_eq!(first.await.expect("a response"), (200, String::new()));
    assert_eq!(database.items("UsersTable").expect("items").len(), 1);
    assert_eq!(outcome(&proxy, "PutItem", put("a")).await.0, 200);
    // One that is canceled ends, too.
    assert_eq!(outcome(&proxy, "PutItem", put("b")).await.0, 200);
    let failed = "TransactionCanceledException None ConditionalCheckFailed";
    for _ in 0..2 {
        assert_eq!(outcome(&proxy, "TransactWriteItems", transaction()).await, (400, failed.to_owned()));
    }
}

#[tokio::test]
async fn a_transaction_is_carried_out_although_its_sender_died() {
    let (database, proxy) = start_in(Weather { transaction_time: Duration::from_millis(50), ..CALM }).await;
    let sending = send(&proxy, "signup", "TransactWriteItems", transaction());
    let arrived = async {
        while proxy.calls().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    // Drops the request as soon as it has arrived.
    tokio::select! {
        response = sending => panic!("the sender did not die: {response:?}"),
        () = arrived => {}
    }
    let carrying_out = async {
        while proxy.calls()[0].status == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), carrying_out).await.expect("it is carried out");
    assert_eq!(proxy.calls()[0].status, 200);
    assert_eq!(database.items("UsersTable").expect("items").len(), 1);
}

fn query(table: &str, attribute: &str, value: &str) -> Value {
    json!({
        "TableName": table,
        "KeyConditionExpression": "#key = :value",
        "ExpressionAttributeNames": {"#key": attribute},
        "ExpressionAttributeValues": {":value": {"S": value}},
    })
}

/// Returns the number of items that a read of the index `owner` shows.
async fn in_index(proxy: &FaultProxy) -> usize {
    let mut query = query("MoviesTable", "added_by", "ann");
    query["IndexName"] = json!("owner");
    let (_, body) = send(proxy, "purge", "Query", query).await.expect("a response");
    body["Items"].as_array().expect("items").len()
}

fn movie(number: usize) -> Value {
    let key = format!("movie#{number}");
    json!({"pk": {"S": key}, "added_by": {"S": "ann"}, "name_key": {"S": key}})
}

async fn put_movies(proxy: &FaultProxy, count: usize) {
    for number in 0..count {
        let body = json!({"TableName": "MoviesTable", "Item": movie(number)});
        assert_eq!(outcome(proxy, "PutItem", body).await.0, 200);
    }
}

#[tokio::test]
async fn an_index_shows_some_writes_late() {
    let (database, proxy) = start().await;
    database.put_item("MoviesTable", movie(100)).expect("an item");
    let tables = crate::fixture::template();
    let weather = Weather { longest_lag: FOREVER, ..CALM };
    proxy.set_weather(weather, &database, tables.tables()).await.expect("the weather");
    assert_eq!(in_index(&proxy).await, 1, "what exists before is shown");
    put_movies(&proxy, 20).await;
    let shown = in_index(&proxy).await;
    assert!((2..20).contains(&shown), "{shown} of 21");
    for number in 0..20 {
        proxy.show("MoviesTable", key(&format!("movie#{number}"))).expect("it is shown");
    }
    assert_eq!(in_index(&proxy).await, 21);
    // The same holds for deletions.
    for number in 0..20 {
        let body = json!({"TableName": "MoviesTable", "Key": key(&format!("movie#{number}"))});
        let transaction = json!({"TransactItems": [{"Delete": body}]});
        assert_eq!(outcome(&proxy, "TransactWriteItems", transaction).await, (200, String::new()));
    }
    assert_eq!(in_index(&proxy).await, 21 - (shown - 1), "each item has its own lag");
}

#[tokio::test]
async fn an_index_catches_up() {
    let (_database, proxy) = start_in(Weather { longest_lag: Duration::from_millis(100), ..CALM }).await;
    put_movies(&proxy, 20).await;
    let catching_up = async { while in_index(&proxy).await < 20 {} };
    tokio::time::timeout(Duration::from_secs(10), catching_up).await.expect("it shows all");
}

#[tokio::test]
async fn only_consistent_reads_show_every_write() {
    let (_database, proxy) = start_in(Weather { longest_lag: FOREVER, ..CALM }).await;
    for number in 0..20 {
        assert_eq!(outcome(&proxy, "PutItem", put(&number.to_string())).await.0, 200);
    }
    for is_consistent in [false, true] {
        let (mut found, mut queried) = (0, 0);
        for number in 0..20 {
            let mut get = request_for(&number.to_string());
            get["ConsistentRead"] = json!(is_consistent);
            let (_, body) = send(&proxy, "login", "GetItem", get).await.expect("a response");
            found += usize::from(body["Item"].is_object());
            let mut query = query("UsersTable", "pk", &number.to_string());
            query["ConsistentRead"] = json!(is_consistent);
            let (_, body) = send(&proxy, "login", "Query", query).await.expect("a response");
            queried += body["Items"].as_array().expect("items").len();
        }
        let keys: Vec<Value> = (0..20).map(|number| key(&number.to_string())).collect();
        let batch = json!({"RequestItems": {"UsersTable": {"Keys": keys, "ConsistentRead": is_consistent}}});
        let (_, body) = send(&proxy, "login", "BatchGetItem", batch).await.expect("a response");
        let in_batch = body["Responses"]["UsersTable"].as_array().expect("items").len();
        assert_eq!([found, queried, in_batch].map(|count| count == 20), [is_consistent; 3]);
    }
}

#[tokio::test]
async fn every_other_batch_leaves_keys_unprocessed() {
    let (_database, proxy) = start_in(Weather { splits_batches: true, ..CALM }).await;
    let users = json!({"Keys": [key("a"), key("b"), key("c")], "ProjectionExpression": "pk"});
    let request = json!({"RequestItems": {"MoviesTable": {"Keys": [key("m")]}, "UsersTable": users}});
    for item in ["a", "b", "c"] {
        assert_eq!(outcome(&proxy, "PutItem", put(item)).await.0, 200);
    }
    let found = |body: &Value| body["Responses"]["UsersTable"].as_array().expect("items").len();
    for (count, unprocessed) in [
        (1, json!({"UsersTable": {"Keys": [key("b"), key("c")], "ProjectionExpression": "pk"}})),
        (3, json!({})),
        (1, json!({"UsersTable": {"Keys": [key("b"), key("c")], "ProjectionExpression": "pk"}})),
    ] {
        let (status, body) =
            send(&proxy, "purge", "BatchGetItem", request.clone()).await.expect("a response");
        assert_eq!((status, found(&body), &body["UnprocessedKeys"]), (200, count, &unprocessed));
    }
    let single = json!({"RequestItems": {"UsersTable": {"Keys": [key("a")]}}});
    for _ in 0..2 {
        let (_, body) = send(&proxy, "purge", "BatchGetItem", single.clone()).await.expect("a response");
        assert_eq!(found(&body), 1, "a single key is always processed");
    }
}

#[tokio::test]
async fn every_third_request_for_an_item_is_throttled() {
    let (_database, proxy) = start_in(Weather { throttled: NonZero::new(3), ..CALM }).await;
    let throttled = (400, "ProvisionedThroughputExceededException".to_owned());
    for _ in 0..2 {
        assert_eq!(outcome(&proxy, "PutItem", put("a")).await.0, 200);
        assert_eq!(outcome(&proxy, "GetItem", request_for("a")).await.0, 200);
        assert_eq!(outcome(&proxy, "UpdateItem", request_for("a")).await, throttled);
        assert_eq!(outcome(&proxy, "GetItem", request_for("b")).await.0, 200, "another item");
    }
    // The third request for `b`, and the first one for the others.
    let canceled = "TransactionCanceledException None ThrottlingError None";
    let transaction = checks(&["c", "b", "d"], "token");
    assert_eq!(outcome(&proxy, "TransactWriteItems", transaction.clone()).await, (400, canceled.to_owned()));
    assert_eq!(outcome(&proxy, "TransactWriteItems", transaction).await, (200, String::new()));

    // The third request for `c` and `d`, and the first one for `e`.
    let batch = json!({"RequestItems": {"UsersTable": {"Keys": [key("c"), key("d"), key("e")]}}});
    let (_, body) = send(&proxy, "purge", "BatchGetItem", batch).await.expect("a response");
    assert_eq!(body["UnprocessedKeys"], json!({"UsersTable": {"Keys": [key("c"), key("d")]}}));
    assert_eq!(outcome(&proxy, "GetItem", request_for("e")).await.0, 200);
    let only = json!({"RequestItems": {"UsersTable": {"Keys": [key("e")]}}});
    assert_eq!(outcome(&proxy, "BatchGetItem", only).await, throttled, "no key is left");
}
