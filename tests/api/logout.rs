//! `POST /api/auth/logout`.

use local::gateway::HttpRequest;
use serde_json::json;

use crate::{
    bag::{Bag, USERS, post},
    consistency::assert_consistent,
    expect::{expect_problem, whole},
};

/// Ends every session of the token's user.
fn logout() -> HttpRequest {
    post("/api/auth/logout", &json!({}))
}

#[tokio::test]
async fn a_logout_ends_every_session_of_the_user_and_changes_nothing_else() {
    let bag = Bag::start().await;
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    bag.movie(&ann, "Alien").await;
    let elsewhere = bag.session(&ann.email).await;
    let mut expected = bag.contents();
    let response = bag.send(logout().bearer(&ann.token)).await;
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
    assert_eq!(bag.contents(), expected);
    for token in [&ann.token, &elsewhere] {
        expect_problem(&bag.account(token).await, 401, "invalid_token");
    }
    assert_eq!(bag.account(&bob.token).await.status, 200, "nobody else is logged out");
    assert_consistent(&bag);
}

#[tokio::test]
async fn after_a_logout_the_password_begins_a_new_session() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    assert_eq!(bag.send(logout().bearer(&ann.token)).await.status, 200);
    let again = bag.session(&ann.email).await;
    assert_eq!(bag.account(&again).await.status, 200);
    expect_problem(&bag.account(&ann.token).await, 401, "invalid_token");
    assert_consistent(&bag);
}

#[tokio::test]
async fn a_session_that_has_ended_cannot_end_others() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    assert_eq!(bag.send(logout().bearer(&ann.token)).await.status, 200);
    let again = bag.session(&ann.email).await;
    let before = bag.contents();
    expect_problem(&bag.send(logout().bearer(&ann.token)).await, 401, "invalid_token");
    expect_problem(&bag.send(logout()).await, 401, "missing_token");
    assert_eq!(bag.contents(), before);
    assert_eq!(bag.account(&again).await.status, 200);
}

#[tokio::test]
async fn a_logout_needs_no_body_and_reads_none() {
    let bag = Bag::start().await;
    for (number, request) in [
        HttpRequest::new("POST", "/api/auth/logout"),
        post("/api/auth/logout", &json!({"all": false})),
        HttpRequest::new("POST", "/api/auth/logout").header("content-type", "text/plain").body("{"),
    ]
    .into_iter()
    .enumerate()
    {
        let person = bag.person(&format!("person{number}")).await;
        assert_eq!(bag.send(request.bearer(&person.token)).await.status, 200);
        expect_problem(&bag.account(&person.token).await, 401, "invalid_token");
    }
}
