//! The hourly run: it carries out pending account deletions, and reports the age of the oldest.

use local::{
    fault_proxy::{Fault, Rule},
    runtime_api::Outcome,
};
use serde_json::{Value, json};

use super::{
    PURGE, account_deletion, account_deletions, assert_gone, create_movies, failures, request_deletion,
    requests, wait_for_error,
};
use crate::{
    consistency::assert_consistent,
    test_app::{ACCOUNT_DELETIONS, TestApp, TestUser},
};

#[tokio::test]
async fn the_hourly_run_carries_out_the_oldest_deletion_first() {
    let app = TestApp::start().await;
    let bob = app.create_user("bob").await;
    create_movies(&app, &bob, 2).await;
    let before = app.table_contents();
    let mut users = Vec::new();
    for (name, since) in [
        ("ann", "2026-03-01T00:00:00.000Z"),
        ("cem", "2020-01-01T00:00:00.000Z"),
        ("dan", "2026-02-01T00:00:00.000Z"),
    ] {
        let user = app.create_user(name).await;
        create_movies(&app, &user, 2).await;
        request_deletion(&app, &user).await;
        change(&app, &user, |account_deletion| account_deletion["requested_at"]["S"] = json!(since));
        users.push(user);
    }
    app.proxy.clear_calls();
    assert_eq!(failures(run(&app).await), [""; 0]);
    assert_eq!(app.table_contents(), before);
    for user in &users {
        assert_gone(&app, user);
    }
    assert_consistent(&app);

    assert_eq!(requests(&app)[0], "Scan AccountDeletionsTable");
    let of_account_deletions =
        app.proxy.calls_of(PURGE).into_iter().filter(|call| call.operation == "GetItem");
    let order: Vec<Value> = of_account_deletions
        .map(|call| call.body["Key"]["user_id"]["S"].clone())
        .filter(Value::is_string)
        .collect();
    assert_eq!(order, [&users[1].id, &users[2].id, &users[0].id].map(|id| json!(id)));

    let line = app.wait_for_log("pending account deletions").await;
    assert!(line.contains("pending=3"), "{line}");
    let (_, seconds) = line.split_once("oldest_seconds=").expect("an age");
    let seconds: u64 = seconds.trim().parse().expect("seconds");
    // The deletion was requested in 2020.
    assert!((150_000_000..3_000_000_000).contains(&seconds), "{line}");
}

#[tokio::test]
async fn an_hourly_run_without_deletions_changes_nothing() {
    let app = TestApp::start().await;
    for event in [schedule(), json!({})] {
        app.proxy.clear_calls();
        assert_eq!(failures(app.function(PURGE).await.invoke(&event).await), [""; 0]);
        assert_eq!(requests(&app), ["Scan AccountDeletionsTable"]);
    }
    let line = app.wait_for_log("pending account deletions").await;
    assert!(line.contains("pending=0 oldest_seconds=0"), "{line}");
}

#[tokio::test]
async fn a_corrupt_account_deletion_stops_no_other() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let dan = app.create_user("dan").await;
    for user in [&ann, &bob, &dan] {
        create_movies(&app, user, 2).await;
        request_deletion(&app, user).await;
    }
    change(&app, &ann, |account_deletion| account_deletion["requested_at"]["S"] = json!("once upon a time"));
    change(&app, &dan, |account_deletion| account_deletion["requested_at"] = json!({"N": "1"}));
    let unknown = "0193c2f0-0000-7000-8000-000000000000";
    for key in ["not an id", unknown] {
        let item = json!({
            "user_id": {"S": key}, "requested_at": {"S": "2026-01-01T00:00:00.000Z"}, "run_count": {"N": "0"},
        });
        app.database.put_item(ACCOUNT_DELETIONS, item).expect("an item");
    }
    assert_eq!(failures(run(&app).await), [""; 0]);
    assert_gone(&app, &bob);
    for key in [&ann.id, &dan.id, "not an id", unknown] {
        wait_for_error(&app, key).await;
    }
    assert!(account_deletion(&app, &ann).is_some() && account_deletion(&app, &dan).is_some());
    assert_eq!(account_deletions(&app).len(), 4, "unfinished account deletions remain");
}

#[tokio::test]
async fn a_failing_account_deletion_does_not_stop_the_others() {
    let app = TestApp::start().await;
    let mut users = Vec::new();
    for (name, since) in [("ann", "2026-01-01T00:00:00.000Z"), ("bob", "2026-02-01T00:00:00.000Z")] {
        let user = app.create_user(name).await;
        create_movies(&app, &user, 2).await;
        request_deletion(&app, &user).await;
        change(&app, &user, |account_deletion| account_deletion["requested_at"]["S"] = json!(since));
        users.push(user);
    }
    // The first request of Ann's purge after the scan.
    app.proxy.inject(Rule::once(Fault::AccessDenied).from(PURGE).after(1));
    assert_eq!(failures(run(&app).await), [""; 0]);
    assert_gone(&app, &users[1]);
    assert!(account_deletion(&app, &users[0]).is_some());
    let line = wait_for_error(&app, "an account deletion was not finished").await;
    assert!(line.contains(&users[0].id) && line.contains("is not authorized to perform"), "{line}");
    assert_consistent(&app);

    assert_eq!(failures(run(&app).await), [""; 0]);
    assert_gone(&app, &users[0]);
    assert_consistent(&app);
}

#[tokio::test]
async fn an_hourly_run_that_cannot_scan_fails() {
    let app = TestApp::start().await;
    app.proxy.inject(Rule::always(Fault::AccessDenied).from(PURGE));
    let outcome = run(&app).await;
    assert!(matches!(outcome, Outcome::Error { .. }), "{outcome:?}");
    assert_eq!(requests(&app), ["Scan AccountDeletionsTable"], "asked once");
    app.proxy.clear_rules();
    assert_eq!(failures(run(&app).await), [""; 0]);
}

async fn run(app: &TestApp) -> Outcome {
    app.function(PURGE).await.invoke(&schedule()).await
}

/// Returns the event that `EventBridge` sends.
fn schedule() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/movie-bag-Hourly"],
        "detail": {},
    })
}

/// Changes an account deletion in the table.
fn change(app: &TestApp, user: &TestUser, change: impl FnOnce(&mut Value)) {
    let mut item = account_deletion(app, user).expect("an account deletion");
    change(&mut item);
    app.database.put_item(ACCOUNT_DELETIONS, item).expect("an item");
}
