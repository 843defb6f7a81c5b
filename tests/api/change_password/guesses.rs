//! Wrong current passwords count like wrong passwords of a login, with separate counters.

use serde_json::{Value, json};

use super::change;
use crate::{
    expect::{expect_problem, response_snapshot, token},
    test_app::{NEW_PASSWORD, PASSWORD, PASSWORD_ATTEMPTS, TestApp, post},
};

/// Returns the only counter of an account with an address.
fn strict_counter(app: &TestApp) -> Value {
    let mut counters = app.items(PASSWORD_ATTEMPTS, "");
    counters.retain(|counter| counter["blocked_until"].is_object());
    assert_eq!(counters.len(), 1, "{counters:?}");
    counters.remove(0)
}

/// Makes the current wait end this many milliseconds from now.
fn move_wait(app: &TestApp, milliseconds: i64) {
    let key = strict_counter(app)["pk"]["S"].as_str().expect("a key").to_owned();
    let end = shared::runtime::CLOCK.now().unix_milliseconds() + milliseconds;
    app.edit_item(PASSWORD_ATTEMPTS, &key, |counter| {
        counter["blocked_until"] = json!({"N": end.to_string()});
    });
}

#[tokio::test]
async fn five_wrong_attempts_make_the_next_one_wait() {
    let app = TestApp::start().await;
    let mut ann = app.create_user("ann").await;
    let before = app.table_contents();
    for _ in 0..5 {
        expect_problem(
            &app.send(change(&ann, "a wrong password", NEW_PASSWORD)).await,
            403,
            "invalid_credentials",
        );
    }
    let hour = 3_600_000;
    move_wait(&app, hour);
    app.proxy.clear_calls();
    let response = app.send(change(&ann, PASSWORD, NEW_PASSWORD)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {
        ".body.request_id" => "[id]", ".headers[\"retry-after\"]" => "[seconds]",
    }, @r#"
    {
      "body": {
        "code": "too_many_attempts",
        "detail": "Too many failed attempts, please wait",
        "error": "Too many failed attempts, please wait",
        "request_id": "[id]",
        "status": 429,
        "title": "Too Many Requests"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "retry-after": "[seconds]",
        "x-content-type-options": "nosniff"
      },
      "status": 429
    }
    "#);
    let seconds: i64 = response.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=3_601).contains(&seconds), "{seconds}");
    assert!(
        app.proxy.calls_of("change-password").iter().all(|call| call.operation.ends_with("GetItem")),
        "a blocked attempt counts, too"
    );
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.get_account(&ann.token).await.status, 200, "existing sessions are not affected");

    // The wait is over.
    move_wait(&app, -1);
    ann.token = token(&app.send(change(&ann, PASSWORD, NEW_PASSWORD)).await);
    let mut counters = app.items(PASSWORD_ATTEMPTS, "");
    assert!(
        !counters.iter().any(|counter| counter["blocked_until"].is_object()),
        "a correct password resets the failures"
    );
    // The account and the address have had six attempts in this hour, or in this hour and the one before.
    counters.retain(|counter| counter["failures"]["N"] != "0");
    assert!(counters.len() >= 2, "{counters:?}");
}

#[tokio::test]
async fn guesses_at_a_change_block_no_login_and_no_other_address() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    for _ in 0..6 {
        app.send(change(&ann, "a wrong password", NEW_PASSWORD)).await;
        move_wait(&app, -1);
    }
    assert_eq!(strict_counter(&app)["failures"]["N"], "6");
    move_wait(&app, 3_600_000);
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    expect_problem(&app.send(change(&ann, PASSWORD, NEW_PASSWORD)).await, 429, "too_many_attempts");
    // Another address has its own counters.
    let login = post("/api/auth/login", &json!({"email": ann.email, "password": PASSWORD}));
    assert_eq!(app.send(login.source_ip("198.51.100.7")).await.status, 200);
    let elsewhere = change(&ann, PASSWORD, NEW_PASSWORD).source_ip("198.51.100.7");
    token(&app.send(elsewhere.header("x-forwarded-for", "203.0.113.10")).await);
}
