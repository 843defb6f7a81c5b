//! The reset tokens that are refused, and the reason in the security log.

use serde_json::{Value, json};

use crate::{
    expect::expect_problem,
    operations::UNKNOWN_RESET_TOKEN,
    test_app::{NEW_PASSWORD, PASSWORD, PASSWORD_RESETS, TestApp, TestUser, delete, post, put, token_hash},
};

/// Panics unless the token is refused with this reason in the log, and nothing is changed.
async fn assert_refused(app: &TestApp, token: &str, reason: &str, user: Option<&TestUser>) {
    let before = app.table_contents();
    let response = app.reset_password(token, "yet another old password").await;
    expect_problem(&response, 403, "invalid_reset_token");
    assert_eq!(app.table_contents(), before, "{reason}");
    let request_id = response.json()["request_id"].as_str().expect("an id").to_owned();
    let line = app.wait_for_log_with(&[&request_id, "reset_refused"]).await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["reason"], reason, "{line}");
    assert_eq!(line["span"].get("user_id"), user.map(|user| json!(user.id)).as_ref(), "{line}");
}

#[tokio::test]
async fn a_text_that_is_no_known_token_is_refused() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    assert_refused(&app, UNKNOWN_RESET_TOKEN, "unknown", None).await;
    for other in [
        String::new(),
        token[..42].to_owned(),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}A"),
        token_hash(&token)[1..].to_owned(),
        ann.token.clone(),
    ] {
        assert_refused(&app, &other, "malformed", None).await;
    }
    // The stored hash is no token, and an access token is none either.
    assert_refused(&app, &token_hash(&token), "unknown", None).await;
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_token_works_for_30_minutes_whatever_the_ttl_does() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    for (seconds, works) in [(0, false), (-1, false), (-100_000, false), (3, true)] {
        let token = app.issue_reset_token(&ann);
        let mut item = app.database.items(PASSWORD_RESETS).expect("items").into_iter();
        let mut item = item.find(|item| item["token_hash"]["S"] == token_hash(&token)).expect("the token");
        let expires_at = shared::runtime::CLOCK.now().unix_seconds() + seconds;
        item["expires_at"] = json!({"N": expires_at.to_string()});
        app.database.put_item(PASSWORD_RESETS, item).expect("an item");
        if works {
            assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
        } else {
            assert_refused(&app, &token, "expired", Some(&ann)).await;
        }
    }
}

#[tokio::test]
async fn a_used_token_is_refused() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
    assert_refused(&app, &token, "unknown", None).await;
}

#[tokio::test]
async fn a_token_ends_with_the_sessions_it_was_issued_for() {
    let app = TestApp::start_with_json_logs().await;
    let passwords = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    for (name, request, reason) in [
        ("logout", post("/api/auth/logout", &json!({})), "revoked"),
        ("change", put("/api/auth/password", &passwords), "revoked"),
        ("deletion", delete("/api/auth/account"), "user_gone"),
    ] {
        let user = app.create_user(name).await;
        let token = app.issue_reset_token(&user);
        assert!(app.send(request.bearer(&user.token)).await.status < 300);
        assert_refused(&app, &token, reason, Some(&user)).await;
    }
    // A token that is issued afterwards works.
    let user = app.create_user("later").await;
    assert_eq!(app.send(post("/api/auth/logout", &json!({})).bearer(&user.token)).await.status, 200);
    let token = app.mailed_reset_token(&user).await;
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_token_of_a_deleted_user_is_refused() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    app.delete_item("UsersTable", &format!("user#{}", ann.id));
    app.delete_item("UsersTable", &format!("email#{}", ann.email));
    assert_refused(&app, &token, "user_gone", Some(&ann)).await;
}
