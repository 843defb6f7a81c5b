//! Requests of the purge that fail.

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    runtime_api::Function,
};
use serde_json::{Value, json};

use super::{
    PURGE, assert_gone, deliver, departure, departures, give_movies, leave, logged_error, requests,
    sequence_number, state,
};
use crate::{
    bag::{Bag, MOVIES, Person},
    consistency::assert_consistent,
};

/// A purge of a user with less than 50 movies: the departure, three for the movies, two for the end.
const REQUESTS: [&str; 6] =
    ["GetItem", "Query", "BatchGetItem", "TransactWriteItems", "GetItem", "TransactWriteItems"];

#[tokio::test]
async fn a_passing_fault_of_any_request_is_retried() {
    let bag = Bag::start().await;
    let bob = bag.person("bob").await;
    give_movies(&bag, &bob, 2).await;
    let before = state(&bag);
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
            let ann = leaving(&bag, &format!("ann{number}{index}")).await;
            bag.proxy.inject(Rule::once(fault.clone()).from(PURGE).after(index));
            bag.proxy.clear_calls();
            let name = format!("{fault:?} of request {index}");
            assert_eq!(deliver(&bag, &[&ann.1]).await, [""; 0], "{name}");
            assert_eq!(requests(&bag).len(), REQUESTS.len() + 1, "{name}: {:?}", requests(&bag));
            assert_eq!(state(&bag), before, "{name}");
            bag.proxy.clear_rules();
        }
    }
    assert_consistent(&bag);
}

#[tokio::test]
async fn keys_that_a_batch_leaves_out_are_asked_for_again() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let (_, record) = leaving(&bag, "ann").await;
    bag.proxy.inject(Rule { times: 2, ..Rule::once(Fault::Unprocessed) }.from(PURGE).on("BatchGetItem"));
    bag.proxy.clear_calls();
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_eq!(requests(&bag).len(), REQUESTS.len() + 2, "asked twice more: {:?}", requests(&bag));
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn a_request_that_hangs_is_given_up_and_retried() {
    join_all((0..REQUESTS.len()).map(|index| async move {
        let bag = Bag::start().await;
        let before = state(&bag);
        let (_, record) = leaving(&bag, "ann").await;
        bag.proxy.inject(Rule::once(Fault::Stall).from(PURGE).after(index));
        bag.proxy.clear_calls();
        assert_eq!(deliver(&bag, &[&record]).await, [""; 0], "request {index}");
        assert_eq!(requests(&bag).len(), REQUESTS.len() + 1, "request {index}");
        assert_eq!(state(&bag), before, "request {index}");
    }))
    .await;
}

#[tokio::test]
async fn a_fault_that_lasts_is_reported_in_time_and_a_repeat_finishes() {
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
        let bag = Bag::start().await;
        let before = state(&bag);
        let (ann, record) = leaving(&bag, "ann").await;
        bag.proxy.inject(Rule::always(fault.clone()).from(PURGE).after(index));
        let name = format!("{fault:?} from request {index} on");
        assert_eq!(deliver(&bag, &[&record]).await, [sequence_number(&record)], "{name}");
        // A transaction whose answers are all lost has taken place.
        let done = matches!(fault, Fault::LoseResponse) && index == 5;
        assert_eq!(departure(&bag, &ann).is_none(), done, "{name}");
        assert_consistent(&bag);
        let line = logged_error(&bag, "a record failed").await;
        assert!(line.contains(&sequence_number(&record)), "{line}");
        assert!(line.contains("DynamoDB is unavailable"), "{line}");

        bag.proxy.clear_rules();
        assert_eq!(deliver(&bag, &[&record]).await, [""; 0], "{name}");
        assert_eq!(state(&bag), before, "{name}");
    }))
    .await;
}

#[tokio::test]
async fn a_refused_request_is_reported_and_logged_and_not_tried_again() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let (ann, record) = leaving(&bag, "ann").await;
    for (fault, said) in [
        (Fault::AccessDenied, "is not authorized to perform"),
        (Fault::TableMissing, "Requested resource not found"),
    ] {
        for (index, operation) in REQUESTS.iter().enumerate().take(4) {
            bag.proxy.inject(Rule::always(fault.clone()).from(PURGE).on(operation).after(0));
            bag.proxy.clear_calls();
            assert_eq!(deliver(&bag, &[&record]).await, [sequence_number(&record)], "{operation}");
            assert_eq!(requests(&bag).len(), index + 1, "{operation} was asked for once");
            bag.proxy.clear_rules();
            assert!(departure(&bag, &ann).is_some());
            assert_consistent(&bag);
        }
        // Whoever reads the log learns the reason.
        logged_error(&bag, said).await;
    }
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn the_log_tells_the_reason_in_the_form_that_lambda_asks_for_too() {
    let bag = Bag::start().await;
    let (ann, record) = leaving(&bag, "ann").await;
    let mut options = bag.options(PURGE);
    options.environment.push(("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned()));
    let function = Function::start(options).await.expect("the function starts");
    bag.proxy.inject(Rule::always(Fault::AccessDenied).from(PURGE).on("Query"));
    for (event, message) in
        [(json!({"Records": [record]}), "a record failed"), (json!({}), "a departure was not worked off")]
    {
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
    assert!(departure(&bag, &ann).is_some());
}

#[tokio::test]
async fn a_batch_that_fails_on_a_condition_or_meets_another_transaction_is_looked_at_again() {
    let bag = Bag::start().await;
    let before = state(&bag);
    // Of the two movies, their claims and the count.
    for codes in [
        ["ConditionalCheckFailed", "None", "None", "None", "None"],
        ["ConditionalCheckFailed", "ConditionalCheckFailed", "None", "None", "None"],
        ["None", "None", "TransactionConflict", "ConditionalCheckFailed", "None"],
        ["ConditionalCheckFailed", "None", "TransactionConflict", "None", "TransactionConflict"],
    ] {
        let (_, record) = leaving(&bag, "ann").await;
        let fault = Fault::CancellationReasons(codes.to_vec());
        bag.proxy.inject(Rule::once(fault).from(PURGE).on("TransactWriteItems"));
        assert_eq!(deliver(&bag, &[&record]).await, [""; 0], "{codes:?}");
        assert_eq!(state(&bag), before, "{codes:?}");
    }
}

#[tokio::test]
async fn one_failing_record_does_not_stop_the_others_of_its_batch() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let mut leavers = Vec::new();
    for name in ["ann", "bob", "cem"] {
        leavers.push(leaving(&bag, name).await);
    }
    // The second one's departure cannot be read.
    bag.proxy.inject(Rule::once(Fault::AccessDenied).from(PURGE).after(REQUESTS.len()));
    let records: Vec<&Value> = leavers.iter().map(|(_, record)| record).collect();
    assert_eq!(deliver(&bag, &records).await, [sequence_number(records[1])]);
    assert_gone(&bag, &leavers[0].0);
    assert_gone(&bag, &leavers[2].0);
    assert_eq!(departures(&bag).len(), 1);
    assert_consistent(&bag);
    assert_eq!(deliver(&bag, &[records[1]]).await, [""; 0]);
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn a_corrupt_movie_is_named_and_its_owner_stays_until_it_is_mended() {
    let bag = Bag::start().await;
    let (ann, record) = leaving(&bag, "ann").await;
    let movie = bag.items(MOVIES, "movie#").remove(0);
    let key = movie["pk"]["S"].as_str().expect("a key").to_owned();
    bag.edit(MOVIES, &key, |movie| movie["id"]["S"] = json!("no id"));
    assert_eq!(deliver(&bag, &[&record]).await, [sequence_number(&record)]);
    let line = logged_error(&bag, &key).await;
    assert!(line.contains("is corrupt"), "{line}");
    bag.database.put_item(MOVIES, movie).expect("mended");
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_gone(&bag, &ann);
    assert_consistent(&bag);
}

/// Somebody who is leaving with two movies, and the record of it.
async fn leaving(bag: &Bag, name: &str) -> (Person, Value) {
    let person = bag.person(name).await;
    give_movies(bag, &person, 2).await;
    let record = leave(bag, &person).await;
    (person, record)
}
