//! Requests of the purge that fail.

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    runtime_api::Function,
};
use serde_json::{Value, json};

use super::{
    PURGE, account_deletion, account_deletions, assert_gone, create_movies, deliver, request_deletion,
    requests, sequence_number, wait_for_error,
};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, TestApp, TestUser},
};

/// The requests of a purge of a user with fewer than 50 movies: one for the account deletion, three for the movies, two
/// for the end.
const REQUESTS: [&str; 6] =
    ["GetItem", "Query", "BatchGetItem", "TransactWriteItems", "GetItem", "TransactWriteItems"];

#[tokio::test]
async fn a_passing_fault_of_any_request_is_retried() {
    let app = TestApp::start().await;
    let bob = app.create_user("bob").await;
    create_movies(&app, &bob, 2).await;
    let before = app.table_contents();
    let faults = [
        Fault::Throttle,
        Fault::ServerError,
        Fault::Unavailable503,
        Fault::LoseResponse,
        Fault::TransactionConflict { position: 0 },
    ];
    for (number, fault) in faults.iter().enumerate() {
        for (index, operation) in REQUESTS.iter().enumerate() {
            if matches!(fault, Fault::TransactionConflict { .. }) && *operation != "TransactWriteItems" {
                continue;
            }
            let ann = start_deletion(&app, &format!("ann{number}{index}")).await;
            app.proxy.inject(Rule::once(fault.clone()).from(PURGE).after(index));
            app.proxy.clear_calls();
            let name = format!("{fault:?} of request {index}");
            assert_eq!(deliver(&app, &[&ann.1]).await, [""; 0], "{name}");
            assert_eq!(requests(&app).len(), REQUESTS.len() + 1, "{name}: {:?}", requests(&app));
            assert_eq!(app.table_contents(), before, "{name}");
            app.proxy.clear_rules();
        }
    }
    assert_consistent(&app);
}

#[tokio::test]
async fn unprocessed_keys_of_a_batch_are_requested_again() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let (_, record) = start_deletion(&app, "ann").await;
    app.proxy.inject(Rule { times: 2, ..Rule::once(Fault::Unprocessed) }.from(PURGE).on("BatchGetItem"));
    app.proxy.clear_calls();
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(requests(&app).len(), REQUESTS.len() + 2, "asked twice more: {:?}", requests(&app));
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn a_hanging_request_is_given_up_and_retried() {
    join_all((0..REQUESTS.len()).map(|index| async move {
        let app = TestApp::start().await;
        let before = app.table_contents();
        let (_, record) = start_deletion(&app, "ann").await;
        app.proxy.inject(Rule::once(Fault::Stall).from(PURGE).after(index));
        app.proxy.clear_calls();
        assert_eq!(deliver(&app, &[&record]).await, [""; 0], "request {index}");
        assert_eq!(requests(&app).len(), REQUESTS.len() + 1, "request {index}");
        assert_eq!(app.table_contents(), before, "request {index}");
    }))
    .await;
}

#[tokio::test]
async fn a_lasting_fault_is_reported_in_time() {
    let cases = [
        (0, Fault::Throttle),
        (1, Fault::ServerError),
        (2, Fault::Throttle),
        (3, Fault::TransactionConflict { position: 1 }),
        (3, Fault::LoseResponse),
        (4, Fault::Unavailable503),
        (5, Fault::TransactionConflict { position: 2 }),
        (5, Fault::LoseResponse),
        (2, Fault::Stall),
    ];
    join_all(cases.map(|(index, fault)| async move {
        let app = TestApp::start().await;
        let before = app.table_contents();
        let (ann, record) = start_deletion(&app, "ann").await;
        app.proxy.inject(Rule::always(fault.clone()).from(PURGE).after(index));
        let name = format!("{fault:?} from request {index} on");
        assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)], "{name}");
        // A transaction whose responses were all lost has succeeded.
        let done = matches!(fault, Fault::LoseResponse) && index == 5;
        assert_eq!(account_deletion(&app, &ann).is_none(), done, "{name}");
        assert_consistent(&app);
        let line = wait_for_error(&app, "a record failed").await;
        assert!(line.contains(&sequence_number(&record)), "{line}");
        assert!(line.contains("DynamoDB is unavailable"), "{line}");

        app.proxy.clear_rules();
        assert_eq!(deliver(&app, &[&record]).await, [""; 0], "{name}");
        assert_eq!(app.table_contents(), before, "{name}");
    }))
    .await;
}

#[tokio::test]
async fn a_refused_request_is_reported_and_not_retried() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let (ann, record) = start_deletion(&app, "ann").await;
    for (fault, said) in [
        (Fault::AccessDenied, "is not authorized to perform"),
        (Fault::TableMissing, "Requested resource not found"),
    ] {
        for (index, operation) in REQUESTS.iter().enumerate().take(4) {
            app.proxy.inject(Rule::always(fault.clone()).from(PURGE).on(operation).after(0));
            app.proxy.clear_calls();
            assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)], "{operation}");
            assert_eq!(requests(&app).len(), index + 1, "{operation} was requested once");
            app.proxy.clear_rules();
            assert!(account_deletion(&app, &ann).is_some());
            assert_consistent(&app);
        }
        // The log contains the reason.
        wait_for_error(&app, said).await;
    }
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn the_reason_is_logged_in_the_json_format_too() {
    let app = TestApp::start().await;
    let (ann, record) = start_deletion(&app, "ann").await;
    let mut options = app.options(PURGE);
    options.environment.push(("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned()));
    let function = Function::start(options).await.expect("the function starts");
    app.proxy.inject(Rule::always(Fault::AccessDenied).from(PURGE).on("Query"));
    for (event, message) in [
        (json!({"Records": [record]}), "a record failed"),
        (json!({}), "an account deletion was not finished"),
    ] {
        function.invoke(&event).await;
        let line = loop {
            if let Some(line) = function.logs().into_iter().find(|line| line.contains(message)) {
                break serde_json::from_str::<Value>(&line).expect("a line of JSON");
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!(message)));
        let cause = line["cause"].as_str().expect("a cause");
        assert!(cause.starts_with("DynamoDB refused the request: "), "{line}");
        assert!(cause.contains("is not authorized to perform: dynamodb:Query"), "{line}");
    }
    assert!(account_deletion(&app, &ann).is_some());
}

#[tokio::test]
async fn a_failed_or_conflicting_batch_is_read_again() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    // The reasons of two movies, their claims and the count.
    for codes in [
        ["ConditionalCheckFailed", "None", "None", "None", "None"],
        ["ConditionalCheckFailed", "ConditionalCheckFailed", "None", "None", "None"],
        ["None", "None", "TransactionConflict", "ConditionalCheckFailed", "None"],
        ["ConditionalCheckFailed", "None", "TransactionConflict", "None", "TransactionConflict"],
    ] {
        let (_, record) = start_deletion(&app, "ann").await;
        let fault = Fault::CancellationReasons(codes.to_vec());
        app.proxy.inject(Rule::once(fault).from(PURGE).on("TransactWriteItems"));
        assert_eq!(deliver(&app, &[&record]).await, [""; 0], "{codes:?}");
        assert_eq!(app.table_contents(), before, "{codes:?}");
    }
}

#[tokio::test]
async fn a_failing_record_does_not_stop_its_batch() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let mut deleted = Vec::new();
    for name in ["ann", "bob", "cem"] {
        deleted.push(start_deletion(&app, name).await);
    }
    // The second account deletion cannot be read.
    app.proxy.inject(Rule::once(Fault::AccessDenied).from(PURGE).after(REQUESTS.len()));
    let records: Vec<&Value> = deleted.iter().map(|(_, record)| record).collect();
    assert_eq!(deliver(&app, &records).await, [sequence_number(records[1])]);
    assert_gone(&app, &deleted[0].0);
    assert_gone(&app, &deleted[2].0);
    assert_eq!(account_deletions(&app).len(), 1);
    assert_consistent(&app);
    assert_eq!(deliver(&app, &[records[1]]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn a_corrupt_movie_is_logged_and_its_owner_stays() {
    let app = TestApp::start().await;
    let (ann, record) = start_deletion(&app, "ann").await;
    let movie = app.items(MOVIES, "movie#").remove(0);
    let key = movie["pk"]["S"].as_str().expect("a key").to_owned();
    app.edit_item(MOVIES, &key, |movie| movie["id"]["S"] = json!("no id"));
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    let line = wait_for_error(&app, &key).await;
    assert!(line.contains("is corrupt"), "{line}");
    app.database.put_item(MOVIES, movie).expect("mended");
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
}

/// Creates a user with two movies who deletes the account. Returns the user and the stream record.
async fn start_deletion(app: &TestApp, name: &str) -> (TestUser, Value) {
    let user = app.create_user(name).await;
    create_movies(app, &user, 2).await;
    let record = request_deletion(app, &user).await;
    (user, record)
}
