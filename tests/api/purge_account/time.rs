//! Runs that are out of time.

use std::time::Duration;

use local::{
    fault_proxy::{Fault, Gate, Rule},
    runtime_api::{Function, FunctionOptions},
};
use serde_json::{Value, json};

use super::{
    PURGE, account_deletion, account_deletions, assert_gone, create_movies, deliver, failures,
    request_deletion, requests, sequence_number, stream, user_item,
};
use crate::{
    consistency::assert_consistent,
    test_app::{TestApp, TestUser},
};

/// The time that a run keeps to trigger the next one. With no more than this, it does nothing.
const TIME_TO_TRIGGER: Duration = Duration::from_secs(5);
/// The minimum time that an account deletion gets while any is left.
const LEAST_SHARE: Duration = Duration::from_secs(2);
/// Enough time to begin.
const A_MOMENT: Duration = Duration::from_millis(300);
/// The maximum number of retriggered runs.
const MAX_RUNS: u64 = 50;

#[tokio::test]
async fn a_run_out_of_time_triggers_one_that_continues() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 120).await;
    let record = request_deletion(&app, &ann).await;

    // The working time is over while the second query of the index is in flight. A request may take less than this.
    let working = Duration::from_millis(1_500);
    let short = short(&app, TIME_TO_TRIGGER + working).await;
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("Query").after(1));
    app.proxy.clear_calls();
    let time_passes = async {
        gate.reached().await;
        tokio::time::sleep(working).await;
        gate.open();
    };
    let event = json!({"Records": [record]});
    let (outcome, ()) = futures_util::future::join(short.invoke(&event), time_passes).await;
    assert_eq!(failures(outcome), [""; 0]);
    let last = requests(&app).split_off(4);
    assert_eq!(last, ["Query MoviesTable/owner", "UpdateItem AccountDeletionsTable"]);
    assert_consistent(&app);
    let movies_left = user_item(&app, &ann).expect("a user")["movie_count"]["N"].clone();
    assert_eq!((movies_left, run_count(&app, &ann)), (json!("71"), 1));

    let triggered = stream(&app).pop().expect("a record");
    assert_eq!(triggered["eventName"], "MODIFY");
    assert_eq!(deliver(&app, &[&triggered]).await, [""; 0]);
    assert_gone(&app, &ann);
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn a_purge_retriggers_itself_at_most_fifty_times() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let mut record = request_deletion(&app, &ann).await;
    let short = short(&app, TIME_TO_TRIGGER + A_MOMENT).await;
    app.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on("Query"));
    for run in 1..=MAX_RUNS {
        assert_eq!(failures(short.invoke(&json!({"Records": [record]})).await), [""; 0]);
        assert_eq!(run_count(&app, &ann), run);
        record = stream(&app).pop().expect("a record");
        assert_eq!(record["eventName"], "MODIFY", "it triggers the next run");
    }
    let before = (app.table_contents(), stream(&app).len());
    assert_eq!(failures(short.invoke(&json!({"Records": [record]})).await), [""; 0]);
    assert_eq!((app.table_contents(), stream(&app).len()), before, "no further run is triggered");
    assert_consistent(&app);

    app.proxy.clear_rules();
    assert_eq!(failures(app.function(PURGE).await.invoke(&json!({})).await), [""; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
}

#[tokio::test]
async fn an_hourly_run_out_of_time_triggers_a_run_per_deletion() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let users = [app.create_user("ann").await, app.create_user("bob").await];
    for user in &users {
        create_movies(&app, user, 2).await;
        request_deletion(&app, user).await;
    }
    // Each gets half of the time, which is enough to begin.
    let short = short(&app, TIME_TO_TRIGGER + 2 * LEAST_SHARE).await;
    app.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on("Query"));
    assert_eq!(failures(short.invoke(&json!({})).await), [""; 0]);
    app.proxy.clear_rules();
    let triggered = stream(&app).split_off(users.len());
    assert_eq!(triggered.len(), users.len(), "each has a record: {triggered:#?}");
    assert!(users.iter().all(|user| run_count(&app, user) == 1), "each has had one run");
    assert_eq!(deliver(&app, &triggered.iter().collect::<Vec<_>>()).await, [""; 0]);
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn a_run_without_an_attempt_is_not_counted() {
    let app = TestApp::start().await;
    let users = [app.create_user("ann").await, app.create_user("bob").await];
    let mut records = Vec::new();
    for user in &users {
        create_movies(&app, user, 2).await;
        records.push(request_deletion(&app, user).await);
    }
    // There is less time than one share, and Ann's deletion takes all of it.
    let short = short(&app, TIME_TO_TRIGGER + A_MOMENT).await;
    app.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on("Query"));
    let failed = failures(short.invoke(&json!({"Records": records})).await);
    assert_eq!(failed, [sequence_number(&records[1])], "Lambda delivers Bob's record again");
    assert_eq!(users.each_ref().map(|user| run_count(&app, user)), [1, 0], "the run counts of Ann and Bob");

    assert_eq!(failures(short.invoke(&json!({})).await), [""; 0], "a scheduled run has no records");
    assert_eq!(users.each_ref().map(|user| run_count(&app, user)), [2, 0], "the run counts of Ann and Bob");
    let lines: Vec<String> =
        short.logs().into_iter().filter(|line| line.contains("there was no time to start it")).collect();
    assert!(lines.len() == 2, "both runs log it: {lines:#?}");
    assert!(
        lines[0].contains(&sequence_number(&records[1])) && lines[1].contains(&users[1].id),
        "{lines:#?}"
    );
    app.proxy.clear_rules();
    assert_eq!(deliver(&app, &[&records[1]]).await, [""; 0]);
    assert_gone(&app, &users[1]);
}

#[tokio::test]
async fn a_run_out_of_time_restores_no_finished_deletion() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    let short = short(&app, TIME_TO_TRIGGER + A_MOMENT).await;
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Stall).from(PURGE).on("Query"));
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("UpdateItem"));
    let other = async {
        gate.reached().await;
        assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
        gate.open();
    };
    let event = json!({"Records": [record]});
    let (outcome, ()) = futures_util::future::join(short.invoke(&event), other).await;
    assert_eq!(failures(outcome), [""; 0]);
    assert_eq!(account_deletions(&app), [Value::Null; 0]);
    assert_gone(&app, &ann);
}

#[tokio::test]
async fn slow_requests_leave_time_to_trigger_the_next_run() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    // Each of these requests takes 4 s, so both together take all the time of the function.
    let short = short(&app, TIME_TO_TRIGGER + Duration::from_secs(3)).await;
    for operation in ["BatchGetItem", "TransactWriteItems"] {
        let rule = Rule { times: 2, ..Rule::once(Fault::Stall) };
        app.proxy.inject(rule.from(PURGE).on(operation));
    }
    let outcome = short.invoke(&json!({"Records": [record]})).await;
    assert_eq!(failures(outcome), [""; 0], "the run ended before Lambda's time limit");
    assert_eq!(run_count(&app, &ann), 1, "the next run is triggered");
    assert_consistent(&app);
    let triggered = stream(&app).pop().expect("a record");
    app.proxy.clear_rules();
    assert_eq!(deliver(&app, &[&triggered]).await, [""; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_run_that_cannot_trigger_the_next_one_logs_it_in_time() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 60).await;
    let record = request_deletion(&app, &ann).await;
    let short = short(&app, TIME_TO_TRIGGER + A_MOMENT).await;
    for operation in ["Query", "UpdateItem"] {
        app.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on(operation));
    }
    let outcome = short.invoke(&json!({"Records": [record]})).await;
    assert_eq!(failures(outcome), [sequence_number(&record)], "Lambda delivers the record again");
    let said = "there was no time to trigger the next run";
    assert!(short.logs().iter().any(|line| line.contains(said)), "{said:?} is in {:#?}", short.logs());
    assert_consistent(&app);
    app.proxy.clear_rules();
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
}

#[tokio::test]
async fn unprocessed_keys_are_requested_with_growing_waits() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    let short = short(&app, TIME_TO_TRIGGER + Duration::from_secs(2)).await;
    app.proxy.inject(Rule::always(Fault::Unprocessed).from(PURGE).on("BatchGetItem"));
    app.proxy.clear_calls();
    assert_eq!(failures(short.invoke(&json!({"Records": [record]})).await), [""; 0]);
    let asked = requests(&app).iter().filter(|request| request.starts_with("BatchGetItem")).count();
    // At once, and then after 50, 100, 200, 400 and 800 ms.
    assert!((3..=6).contains(&asked), "requested {asked} times: {:?}", requests(&app));
    assert_eq!(run_count(&app, &ann), 1, "the next run is triggered");
    assert_consistent(&app);
    app.proxy.clear_rules();
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_gone(&app, &ann);
}

/// Starts the function with another timeout.
async fn short(app: &TestApp, timeout: Duration) -> Function {
    let options = FunctionOptions { timeout, ..app.options(PURGE) };
    let function = Function::start(options).await.expect("the function starts");
    function.ready().await.expect("it is ready");
    function
}

fn run_count(app: &TestApp, user: &TestUser) -> u64 {
    let account_deletion = account_deletion(app, user).expect("an account deletion");
    account_deletion["run_count"]["N"].as_str().and_then(|number| number.parse().ok()).expect("a number")
}
