//! `DELETE /api/auth/account`.

use local::gateway::HttpRequest;
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, response_snapshot},
    test_app::{ACCOUNT_DELETIONS, MOVIES, PASSWORD, TestApp, USERS, delete, get, movie_path},
    tokens::{forge, issued},
    weather::in_every_weather,
};

/// Returns a request that deletes the account of this token's user.
fn request_deletion(token: &str) -> HttpRequest {
    delete("/api/auth/account").bearer(token)
}

/// Returns the token as if it had been issued this many seconds earlier.
fn aged(token: &str, seconds: i64) -> String {
    forge(token, &json!({}), &json!({"iat": issued(token) - seconds}))
}

#[tokio::test]
async fn an_account_deletion_is_requested_in_one_transaction() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    app.create_movie(&ann, "Alien").await;
    let mut expected = app.table_contents();
    app.proxy.clear_calls();
    let response = app.send(request_deletion(&ann.token)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.id" => "[id]"}, @r#"
    {
      "body": {
        "id": "[id]"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-content-type-options": "nosniff"
      },
      "status": 202
    }
    "#);
    assert_eq!(response.json()["id"], ann.id);

    let account_deletion = app.database.items(ACCOUNT_DELETIONS).expect("items").remove(0);
    insta::assert_json_snapshot!(account_deletion, {".user_id.S" => "[id]", ".requested_at.S" => "[time]"}, @r#"
    {
      "requested_at": {
        "S": "[time]"
      },
      "run_count": {
        "N": "0"
      },
      "user_id": {
        "S": "[id]"
      }
    }
    "#);
    let requested_at = account_deletion["requested_at"]["S"].as_str().expect("a time");
    let requested_at = shared::model::Timestamp::parse(requested_at).expect("RFC 3339 with milliseconds");
    assert!(requested_at.unix_seconds() >= issued(&ann.token), "{requested_at}");
    let user = expected.get_mut(&format!("{USERS} \"user#{}\"", ann.id)).expect("the user");
    user["status"] = json!({"S": "deleting"});
    user["session_epoch"] = json!({"N": "1"});
    expected.insert(format!("{ACCOUNT_DELETIONS} \"{}\"", ann.id), account_deletion);
    // The movies still exist. The purge deletes them.
    assert_eq!(app.table_contents(), expected);
    let writes = app.proxy.calls_of("delete-account");
    assert_eq!(writes.len(), 1);
    let items = [("Update".to_owned(), USERS.to_owned()), ("Put".to_owned(), ACCOUNT_DELETIONS.to_owned())];
    assert_eq!(writes[0].transaction_items, items);
    assert_eq!(app.get_account(&bob.token).await.status, 200, "another user's session continues");
    assert_consistent(&app);
}

#[tokio::test]
async fn after_the_request_no_login_works_and_the_email_is_taken() {
    in_every_weather(1, async |app| {
        let ann = app.create_user("ann").await;
        let movie = app.create_movie(&ann, "Alien").await;
        let elsewhere = app.new_token(&ann.email).await;
        assert_eq!(app.send(request_deletion(&ann.token)).await.status, 202);
        let after = app.table_contents();
        for token in [&ann.token, &elsewhere] {
            expect_problem(&app.get_account(token).await, 401, "invalid_token");
            expect_problem(&app.send(request_deletion(token)).await, 401, "invalid_token");
        }
        // A token of the user's current epoch is refused, too.
        let forged = forge(&ann.token, &json!({}), &json!({"epoch": 1}));
        expect_problem(&app.send(request_deletion(&forged)).await, 401, "invalid_token");
        for email in [&ann.email, &ann.email.to_uppercase()] {
            expect_problem(&app.log_in(email, PASSWORD).await, 401, "invalid_credentials");
            expect_problem(&app.sign_up(email).await, 409, "email_taken");
        }
        assert_eq!(app.table_contents(), after);
        let path = movie_path(&movie);
        assert_eq!(app.send(get(&path)).await.json(), movie, "until the purge deletes it");
        assert_eq!(app.count(MOVIES, "movie#"), 1);
        assert_consistent(&app);
    })
    .await;
}

/// The exact second is tested in `shared::auth::session`, with a fixed clock.
#[tokio::test]
async fn a_token_older_than_ten_minutes_is_not_fresh_enough() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let old = aged(&ann.token, 601);
    let response = app.send(request_deletion(&old)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[id]"}, @r#"
    {
      "body": {
        "code": "fresh_login_required",
        "detail": "Log in again, and try within ten minutes",
        "error": "Log in again, and try within ten minutes",
        "request_id": "[id]",
        "status": 403,
        "title": "Forbidden"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 403
    }
    "#);
    for seconds in [660, 3_600, 6 * 24 * 3_600] {
        expect_problem(
            &app.send(request_deletion(&aged(&ann.token, seconds))).await,
            403,
            "fresh_login_required",
        );
    }
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.get_account(&old).await.status, 200, "the token is valid for all other operations");
    // The remaining time of the ten minutes is left for the test itself.
    assert_eq!(app.send(request_deletion(&aged(&ann.token, 540))).await.status, 202);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_token_of_exactly_ten_minutes_is_accepted() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    // The response counts only if the second has not changed meanwhile.
    let mut refused = 0;
    loop {
        let before = shared::runtime::CLOCK.now().unix_seconds();
        let token = aged(&ann.token, issued(&ann.token) - before + 600);
        let response = app.send(request_deletion(&token)).await;
        if response.status == 202 {
            return;
        }
        expect_problem(&response, 403, "fresh_login_required");
        refused += 1;
        let same_second = shared::runtime::CLOCK.now().unix_seconds() == before;
        assert!(!same_second && refused < 10, "a token of ten minutes is refused");
    }
}

#[tokio::test]
async fn an_invalid_token_is_reported_before_its_age() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    expect_problem(&app.send(delete("/api/auth/account")).await, 401, "missing_token");
    let revoked = forge(&ann.token, &json!({}), &json!({"epoch": 1, "iat": issued(&ann.token) - 3_600}));
    expect_problem(&app.send(request_deletion(&revoked)).await, 401, "invalid_token");
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn an_account_deletion_of_an_active_user_is_500() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let stray = json!({"user_id": {"S": ann.id}, "requested_at": {"S": "2025-11-04T00:56:02.080Z"}, "run_count": {"N": "0"}});
    app.database.put_item(ACCOUNT_DELETIONS, stray).expect("an item");
    let before = app.table_contents();
    let response = app.send(request_deletion(&ann.token)).await;
    expect_problem(&response, 500, "internal");
    let line =
        app.wait_for_log_with(&[response.json()["request_id"].as_str().expect("an id"), "corrupt"]).await;
    assert!(line.contains(&format!("user#{}", ann.id)), "{line}");
    assert_eq!(app.table_contents(), before);
}
