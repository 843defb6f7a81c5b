//! `POST /api/auth/logout`.

use local::gateway::HttpRequest;
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, whole},
    test_app::{TestApp, USERS, post},
};

/// Ends every session of the token's user.
fn logout() -> HttpRequest {
    post("/api/auth/logout", &json!({}))
}

#[tokio::test]
async fn a_logout_ends_every_session_and_changes_nothing_else() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    app.movie(&ann, "Alien").await;
    let elsewhere = app.session(&ann.email).await;
    let mut expected = app.contents();
    let response = app.send(logout().bearer(&ann.token)).await;
    insta::assert_json_snapshot!(whole(&response), @r#"
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
    assert_eq!(app.contents(), expected);
    for token in [&ann.token, &elsewhere] {
        expect_problem(&app.account(token).await, 401, "invalid_token");
    }
    assert_eq!(app.account(&bob.token).await.status, 200, "nobody else is logged out");
    assert_consistent(&app);
}

#[tokio::test]
async fn after_a_logout_the_user_can_log_in_again() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    assert_eq!(app.send(logout().bearer(&ann.token)).await.status, 200);
    let again = app.session(&ann.email).await;
    assert_eq!(app.account(&again).await.status, 200);
    expect_problem(&app.account(&ann.token).await, 401, "invalid_token");
    assert_consistent(&app);
}

#[tokio::test]
async fn an_ended_session_cannot_end_others() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    assert_eq!(app.send(logout().bearer(&ann.token)).await.status, 200);
    let again = app.session(&ann.email).await;
    let before = app.contents();
    expect_problem(&app.send(logout().bearer(&ann.token)).await, 401, "invalid_token");
    expect_problem(&app.send(logout()).await, 401, "missing_token");
    assert_eq!(app.contents(), before);
    assert_eq!(app.account(&again).await.status, 200);
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
        let person = app.person(&format!("person{number}")).await;
        assert_eq!(app.send(request.bearer(&person.token)).await.status, 200);
        expect_problem(&app.account(&person.token).await, 401, "invalid_token");
    }
}
