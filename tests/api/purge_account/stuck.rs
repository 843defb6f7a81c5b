//! Users whose `movie_count` is higher than their number of movies, for example after an inconsistent restore or after
//! an operator deleted a movie.

#![expect(clippy::print_stdout, reason = "shows the time")]

use std::time::Duration;

use local::{
    fault_proxy::{Fault, Rule},
    runtime_api::{Function, FunctionOptions},
    streams::StreamReader,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    PURGE, account_deletion, assert_gone, create_movies, deliver, failures, request_deletion, requests,
    sequence_number, user_item, wait_for_error,
};
use crate::{
    consistency::assert_consistent,
    test_app::{ACCOUNT_DELETIONS, TestApp, TestUser},
};

/// The number of queries of the index that may find nothing.
const MOST_LOOKS: usize = 6;

#[tokio::test]
async fn a_stuck_user_delays_no_other_and_goes_once_repaired() {
    let app = TestApp::start_with_json_logs().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for user in [&ann, &bob] {
        create_movies(&app, user, 2).await;
    }
    for user in [&ann, &bob] {
        request_deletion(&app, user).await;
    }
    count(&app, &ann, "4");
    app.proxy.clear_calls();
    let silence = tokio::time::timeout(Duration::from_mins(1), deliver_until_silent(&app)).await;
    let failed = silence.expect("the stream is silent within a minute");
    assert_eq!(failed, [""; 0], "a reported record would block all later ones");
    assert_gone(&app, &bob);
    assert_stuck(&app, &ann, 2, 1).await;
    let looks = requests(&app).iter().filter(|request| request.starts_with("Query")).count();
    // The first query finds two movies, and one query is Bob's.
    assert_eq!(looks, MOST_LOOKS + 1, "queries of the index: {:?}", requests(&app));

    // The hourly run tries again, and reports it.
    requested_two_hours_ago(&app, &ann);
    assert_eq!(failures(app.function(PURGE).await.invoke(&json!({})).await), [""; 0]);
    assert_stuck(&app, &ann, 2, 2).await;
    let line = app.wait_for_log_with(&["invocation completed", "OldestAccountDeletionAge"]).await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    let age = line["OldestAccountDeletionAge"].as_f64().expect("an age");
    assert!((7_200.0..7_300.0).contains(&age), "the alarm `purge-age` sees Ann: {line:#}");
    assert_eq!(app.sign_up(&ann.email).await.status, 409, "the email stays taken");

    // The command in docs/OPERATIONS.md does this.
    count(&app, &ann, "0");
    assert_eq!(failures(app.function(PURGE).await.invoke(&json!({})).await), [""; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
    assert_eq!(app.sign_up(&ann.email).await.status, 200, "the email is free");
}

#[tokio::test]
async fn an_hourly_run_gets_past_sixty_stuck_users() {
    let app = TestApp::start().await;
    let mut stuck = Vec::new();
    for number in 0..60 {
        let user = app.create_user(&format!("stuck{number}")).await;
        request_deletion(&app, &user).await;
        count(&app, &user, "1");
        stuck.push(user);
    }
    let bob = app.create_user("bob").await;
    create_movies(&app, &bob, 60).await;
    request_deletion(&app, &bob).await;
    // A sixth of the deployed function's time limit.
    let timeout = Duration::from_secs(20);
    let function = Function::start(FunctionOptions { timeout, ..app.options(PURGE) }).await;
    let function = function.expect("the function starts");
    let started = Instant::now();
    assert_eq!(failures(function.invoke(&json!({})).await), [""; 0], "the run finished in time");
    println!("60 stuck users and another one took {:?}", started.elapsed());
    assert_gone(&app, &bob);
    assert!(stuck.iter().all(|user| account_deletion(&app, user).is_some()), "the stuck users remain");
    let lines = lines_of_stuck(|| function.logs(), stuck.len()).await;
    for user in &stuck {
        assert!(lines.iter().any(|line| line.contains(&user.id)), "no line is about {}", user.id);
    }
}

#[tokio::test]
async fn a_stuck_user_is_given_up_once_the_index_had_time() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let record = request_deletion(&app, &ann).await;
    count(&app, &ann, "1");
    app.function(PURGE).await.ready().await.expect("the function is ready");
    let started = Instant::now();
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    let took = started.elapsed();
    assert!((3.0..20.0).contains(&took.as_secs_f64()), "waits of 3.1 s in all, and not {took:?}");
    assert_eq!(
        account_deletion(&app, &ann).expect("an account deletion")["run_count"]["N"],
        "0",
        "no run is triggered"
    );
    assert_stuck(&app, &ann, 1, 1).await;
}

#[tokio::test]
async fn ever_changing_movies_are_left_to_the_hourly_run() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    let reasons = vec!["ConditionalCheckFailed", "None", "None", "None", "None"];
    app.proxy.inject(Rule::always(Fault::CancellationReasons(reasons)).from(PURGE).on("TransactWriteItems"));
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    let line = wait_for_error(&app, "2 movies change before they can be deleted").await;
    assert!(line.contains(&ann.id), "the line names the user: {line}");
    assert_consistent(&app);
    app.proxy.clear_rules();
    assert_eq!(failures(app.function(PURGE).await.invoke(&json!({})).await), [""; 0]);
    assert_gone(&app, &ann);
}

#[tokio::test]
async fn a_count_that_is_too_low_is_reported_and_repairable() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 60).await;
    let record = request_deletion(&app, &ann).await;
    count(&app, &ann, "58");
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    let line = wait_for_error(&app, "is corrupt").await;
    assert!(line.contains(&ann.id), "the line names the user: {line}");
    assert_eq!(user_item(&app, &ann).expect("a user")["movie_count"]["N"], "-2");
    count(&app, &ann, "0");
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_gone(&app, &ann);
}

/// Asserts that the user still exists with this count, and that the log of this many runs reports it.
async fn assert_stuck(app: &TestApp, user: &TestUser, counted: u64, runs: usize) {
    assert!(account_deletion(app, user).is_some(), "the account deletion stays");
    let item = user_item(app, user).expect("the user stays");
    assert_eq!(item["movie_count"]["N"], counted.to_string(), "movies that are counted");
    let cause = format!("{counted} movies are counted but none is found");
    for line in lines_of_stuck(|| app.logs(), runs).await {
        let told = line.contains("ERROR") && line.contains(&user.id) && line.contains(&cause);
        assert!(told, "expected an error with the user's id and the cause: {line}");
    }
}

/// Waits for this many log lines about unfinished account deletions, which may come a moment after the response.
async fn lines_of_stuck(logs: impl Fn() -> Vec<String>, number: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        logs().into_iter().filter(|line| line.contains("an account deletion was not finished")).collect()
    };
    for _ in 0..1_000 {
        if lines().len() >= number {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(lines().len(), number, "lines about unfinished account deletions: {:#?}", lines());
    lines()
}

/// Sets the `movie_count` of a user.
fn count(app: &TestApp, user: &TestUser, movies: &str) {
    app.edit_user(&user.id, |user| user["movie_count"]["N"] = json!(movies));
}

fn requested_two_hours_ago(app: &TestApp, user: &TestUser) {
    let mut item = account_deletion(app, user).expect("an account deletion");
    let since = shared::runtime::CLOCK.now().unix_milliseconds() - 7_200_000;
    let since = shared::model::Timestamp::from_unix_milliseconds(since).expect("a time");
    item["requested_at"]["S"] = json!(since.to_string());
    app.database.put_item(ACCOUNT_DELETIONS, item).expect("an item");
}

/// Delivers the records of the stream, as Lambda does with the event source mapping of the template, until no more
/// arrive. Returns the failed records, each as often as it failed.
async fn deliver_until_silent(app: &TestApp) -> Vec<String> {
    let mut mappings = app.template.stream_mappings().iter();
    let mapping = mappings.find(|mapping| mapping.operation == "purge-account").expect("a mapping");
    let mut reader = StreamReader::new(&app.database, ACCOUNT_DELETIONS).expect("a reader");
    let mut all_failed = Vec::new();
    loop {
        let mut records = reader.next_records().expect("records");
        records.retain(|record| mapping.wants(record));
        if records.is_empty() {
            return all_failed;
        }
        for batch in records.chunks(mapping.batch_size) {
            let mut batch: Vec<&Value> = batch.iter().collect();
            for _ in 0..=mapping.retries.expect("an end") {
                let failed = deliver(app, &batch).await;
                // Everything from the first failure on is delivered again.
                let first = batch.iter().position(|record| failed.contains(&sequence_number(record)));
                all_failed.extend(failed);
                let Some(first) = first else { break };
                batch.drain(..first);
            }
        }
    }
}
