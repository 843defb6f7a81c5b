//! `PUT /api/auth/password`.

mod fields;
mod guesses;

use futures_util::future::join;
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::HttpRequest,
};
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, response_snapshot, token},
    test_app::{NEW_PASSWORD, OUTBOX, PASSWORD, TestApp, TestUser, USERS, put},
    tokens::decoded,
};

/// Returns a request that changes the password.
fn change(user: &TestUser, current: &str, new: &str) -> HttpRequest {
    let body = json!({"current_password": current, "new_password": new});
    put("/api/auth/password", &body).bearer(&user.token)
}

#[tokio::test]
async fn a_change_ends_every_session_but_the_new_one() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    app.create_movie(&ann, "Alien").await;
    let elsewhere = app.new_token(&ann.email).await;
    let mut expected = app.table_contents();
    let response = app.send(change(&ann, PASSWORD, NEW_PASSWORD)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.token" => "[token]"}, @r#"
    {
      "body": {
        "expires_in": 604800,
        "token": "[token]",
        "token_type": "Bearer"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);

    let key = format!("{USERS} \"user#{}\"", ann.id);
    let hash = app.table_contents()[&key]["password_hash"].clone();
    let user = expected.get_mut(&key).expect("the user");
    assert_ne!(user["password_hash"], hash);
    assert!(hash["S"].as_str().is_some_and(|hash| hash.starts_with("$2b$04$")), "{hash}");
    user["password_hash"] = hash;
    user["session_epoch"] = json!({"N": "1"});
    let mut contents = app.table_contents();
    contents.retain(|key, _| !key.starts_with(OUTBOX));
    assert_eq!(contents, expected, "nothing else has changed");

    let fresh = token(&response);
    let claims = decoded(fresh.split('.').nth(1).expect("claims"));
    assert_eq!((&claims["sub"], &claims["epoch"]), (&json!(ann.id), &json!(1)));
    assert_eq!(app.get_account(&fresh).await.json()["id"], ann.id);
    for earlier in [&ann.token, &elsewhere] {
        expect_problem(&app.get_account(earlier).await, 401, "invalid_token");
    }
    assert_eq!(app.get_account(&bob.token).await.status, 200, "another user's session continues");
    expect_problem(&app.log_in(&ann.email, PASSWORD).await, 401, "invalid_credentials");
    assert_eq!(app.log_in(&ann.email, NEW_PASSWORD).await.status, 200);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing_and_ends_no_session() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let response = app.send(change(&ann, "a wrong password", NEW_PASSWORD)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[id]"}, @r#"
    {
      "body": {
        "code": "invalid_credentials",
        "detail": "The current password is incorrect",
        "error": "The current password is incorrect",
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
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.get_account(&ann.token).await.status, 200);
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    assert_consistent(&app);
}

#[tokio::test]
async fn the_token_of_a_change_can_change_the_password_again() {
    let app = TestApp::start().await;
    let mut ann = app.create_user("ann").await;
    for (current, new) in [(PASSWORD, NEW_PASSWORD), (NEW_PASSWORD, PASSWORD), (PASSWORD, PASSWORD)] {
        let fresh = token(&app.send(change(&ann, current, new)).await);
        expect_problem(&app.get_account(&ann.token).await, 401, "invalid_token");
        ann.token = fresh;
    }
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    assert_eq!(app.item(USERS, &format!("user#{}", ann.id)).expect("the user")["session_epoch"]["N"], "3");
    assert_consistent(&app);
}

#[tokio::test]
async fn errors_of_a_password_change_take_precedence_in_order() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let large = "x".repeat(65_537);
    let request = || HttpRequest::new("PUT", "/api/auth/password");
    let typed = || request().header("content-type", "application/json");
    let signed_in = |request: HttpRequest| request.bearer(&ann.token);
    for (request, status, code) in [
        (request().body(large.clone()), 401, "missing_token"),
        (request().body(large.clone()).bearer("x"), 401, "invalid_token"),
        (signed_in(request().body(large.clone())), 415, "unsupported_media_type"),
        (signed_in(typed().body(large)), 413, "payload_too_large"),
        (signed_in(typed().body("{")), 400, "malformed_json"),
        (signed_in(typed().body("{}")), 400, "validation_failed"),
        // An invalid new password is reported before a wrong current one.
        (change(&ann, "a wrong password", "short"), 400, "validation_failed"),
        (change(&ann, "a wrong password", "ANN"), 400, "validation_failed"),
        (change(&ann, "a wrong password", NEW_PASSWORD), 403, "invalid_credentials"),
    ] {
        expect_problem(&app.send(request).await, status, code);
        assert_eq!(app.table_contents(), before);
    }
}

#[tokio::test]
async fn a_user_deleted_after_the_read_is_401() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let gate = Gate::new();
    let hold = Fault::Hold(gate.clone());
    app.proxy.inject(Rule::once(hold).from("change-password").on("PutItem"));
    let deleted = async {
        gate.reached().await;
        app.delete_item(USERS, &format!("user#{}", ann.id));
        gate.open();
    };
    let (response, ()) = join(app.send(change(&ann, PASSWORD, NEW_PASSWORD)), deleted).await;
    expect_problem(&response, 401, "invalid_token");
    assert!(app.item(USERS, &format!("user#{}", ann.id)).is_none(), "the deleted user exists again");
}

#[tokio::test]
async fn the_owner_is_told_of_a_change_by_mail() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    assert_eq!(app.send(change(&ann, PASSWORD, NEW_PASSWORD)).await.status, 200);
    let [notice] = &app.outbox()[..] else { panic!("one notice expected: {:?}", app.outbox()) };
    assert_eq!((&notice["kind"]["S"], &notice["email"]["S"]), (&json!("notice"), &json!(ann.email)));
    app.send_mails().await;
    assert_eq!(app.mails_to(&ann.email).len(), 1);
}

/// A deployment without mails has no outbox. There, a change costs what it cost before there were mails.
#[tokio::test]
async fn without_an_outbox_a_change_is_one_update() {
    let app = TestApp::start_with(1, &[("OUTBOX_TABLE", "")]).await;
    let ann = app.create_user("ann").await;
    app.proxy.clear_calls();
    let fresh = token(&app.send(change(&ann, PASSWORD, NEW_PASSWORD)).await);
    let calls = app.proxy.calls_of("change-password");
    assert_eq!(calls.len(), 7, "{calls:#?}");
    let last = calls.last().expect("a request");
    assert_eq!((&*last.operation, &last.tables[..]), ("UpdateItem", &[USERS.to_owned()][..]));
    app.wait_for_log_with(&["PUT /api/auth/password", "read_units=2.5", "write_units=5.0"]).await;
    assert_eq!(app.outbox().len(), 0);
    assert_eq!(app.get_account(&fresh).await.status, 200);
    assert_eq!(app.log_in(&ann.email, NEW_PASSWORD).await.status, 200);
}
