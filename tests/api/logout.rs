//! `POST /api/auth/logout`.

use local::gateway::HttpRequest;
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, response_snapshot},
    test_app::{TestApp, USERS, post},
};

/// Returns a request that ends every session of the token's user.
fn logout() -> HttpRequest {
    post("/api/auth/logout", &json!({}))
}

#[tokio::test]
async fn a_logout_ends_every_session_and_changes_nothing_else() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    app.create_movie(&ann, "Alien").await;
    let elsewhere = app.new_token(&ann.email).await;
    let mut expected = app.table_contents();
    let response = app.send(logout().bearer(&ann.token)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), @r#"
    {
      "body": {},
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
    let user = expected.get_mut(&format!("{USERS} \"user#{}\"", ann.id)).expect("the user");
    user["session_epoch"] = json!({"N": "1"});
    user["last_logout"] =
        app.item(USERS, &format!("user#{}", ann.id)).expect("the user")["last_logout"].take();
    assert!(user["last_logout"]["S"].is_string(), "the id of the logout: {user}");
    assert_eq!(app.table_contents(), expected);
    for token in [&ann.token, &elsewhere] {
        expect_problem(&app.get_account(token).await, 401, "invalid_token");
    }
    assert_eq!(app.get_account(&bob.token).await.status, 200, "the session of another user continues");
    assert_consistent(&app);
}

#[tokio::test]
async fn after_a_logout_the_user_can_log_in_again() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    assert_eq!(app.send(logout().bearer(&ann.token)).await.status, 200);
    let again = app.new_token(&ann.email).await;
    assert_eq!(app.get_account(&again).await.status, 200);
    expect_problem(&app.get_account(&ann.token).await, 401, "invalid_token");
    assert_consistent(&app);
}

#[tokio::test]
async fn an_ended_session_cannot_end_others() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    assert_eq!(app.send(logout().bearer(&ann.token)).await.status, 200);
    let again = app.new_token(&ann.email).await;
    let before = app.table_contents();
    expect_problem(&app.send(logout().bearer(&ann.token)).await, 401, "invalid_token");
    expect_problem(&app.send(logout()).await, 401, "missing_token");
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.get_account(&again).await.status, 200);
}

#[tokio::test]
async fn a_logout_ignores_its_body() {
    let app = TestApp::start().await;
    for (number, request) in [
        HttpRequest::new("POST", "/api/auth/logout"),
        post("/api/auth/logout", &json!({"all": false})),
        HttpRequest::new("POST", "/api/auth/logout").header("content-type", "text/plain").body("{"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = app.create_user(&format!("user{number}")).await;
        assert_eq!(app.send(request.bearer(&user.token)).await.status, 200);
        expect_problem(&app.get_account(&user.token).await, 401, "invalid_token");
    }
}
