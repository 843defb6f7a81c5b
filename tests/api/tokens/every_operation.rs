//! Every operation that needs a token.

use local::gateway::HttpRequest;
use serde_json::json;

use super::{assert_refused, forge, issued};
use crate::{
    contract,
    operations::{self, Caller, Operation},
    test_app::{Owner, TestApp, USERS},
};

/// Returns requests with something else wrong, too: 401 comes before 415, 413, 400 and 404.
fn faulty_requests(operation: &Operation, movie_id: &str) -> [HttpRequest; 5] {
    let json = || operation.bare_request(movie_id).header("content-type", "application/json");
    [
        operation.example_request(movie_id),
        operation.bare_request(movie_id).header("content-type", "text/plain").body("x".repeat(65_537)),
        json().body("x".repeat(65_537)),
        json().body("not JSON"),
        operation.example_request("no-such-movie"),
    ]
}

#[tokio::test]
async fn every_protected_operation_refuses_invalid_tokens() {
    let app = TestApp::start().await;
    let ann = app.create_owner("ann").await;
    let deleted = app.create_owner("deleted").await;
    let deleting = app.create_owner("deleting").await;
    let revoked = app.create_owner("revoked").await;
    app.delete_item(USERS, &format!("user#{}", deleted.user.id));
    app.edit_user(&deleting.user.id, |user| user["status"] = json!({"S": "deleting"}));
    app.edit_user(&revoked.user.id, |user| user["session_epoch"] = json!({"N": "1"}));
    let expired = forge(&ann.user.token, &json!({}), &json!({"exp": issued(&ann.user.token) - 60}));
    let before = app.table_contents();
    let cases = [
        (None, &ann, "missing_token", "reason=missing"),
        (Some("not.a.token"), &ann, "invalid_token", "reason=malformed"),
        (Some(expired.as_str()), &ann, "invalid_token", "reason=expired"),
        (Some(&deleted.user.token), &deleted, "invalid_token", "reason=user_gone"),
        (Some(&deleting.user.token), &deleting, "invalid_token", "reason=user_gone"),
        (Some(&revoked.user.token), &revoked, "invalid_token", "reason=revoked"),
    ];
    assert!(operations::with_token().count() >= 3);
    for operation in operations::with_token() {
        for (token, owner, code, reason) in cases {
            let Owner { movie_id, .. } = owner;
            for (number, request) in faulty_requests(operation, movie_id).into_iter().enumerate() {
                let request = token.iter().fold(request, |request, token| request.bearer(token));
                let response = app.send(request).await;
                assert_refused(&response, code, &format!("{} {reason}, request {number}", operation.name));
                let line = app.wait_for_log(response.json()["request_id"].as_str().expect("an id")).await;
                assert!(line.contains(reason), "{reason} expected: {line}");
            }
        }
        assert_eq!(app.table_contents(), before, "{}", operation.name);
    }
}

#[tokio::test]
async fn every_protected_operation_accepts_a_valid_token() {
    let app = TestApp::start().await;
    for operation in operations::with_token() {
        let Owner { user, movie_id, .. } = app.create_owner(operation.name).await;
        let response = app.send(operation.example_request(&movie_id).bearer(&user.token)).await;
        assert_eq!(response.status, operation.success(), "{}: {}", operation.name, response.body);
    }
}

#[tokio::test]
async fn every_route_that_is_not_public_asks_for_a_token() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let mut asked = 0;
    for function in app.template.functions() {
        if matches!(operations::find(&function.operation).caller, Caller::Anyone | Caller::Browser) {
            continue;
        }
        for route in &function.routes {
            let path = route.path.replace("{id}", "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7");
            let response = app.send(HttpRequest::new(route.method.clone(), &path)).await;
            assert_refused(&response, "missing_token", &function.operation);
            asked += 1;
        }
    }
    assert!(asked >= 3, "only {asked} routes of the template ask for a token");
    assert_eq!(app.table_contents(), before);
}

/// `Caller` in `operations.rs` and `security` in `openapi.yaml` are written independently of each other.
#[test]
fn openapi_protects_the_same_operations() {
    for (_, _, definition) in contract::operations() {
        let name = definition["operationId"].as_str().expect("a name");
        let needs_token = definition["security"].as_array().is_none_or(|schemes| !schemes.is_empty());
        let expected = if needs_token { Caller::User } else { Caller::Anyone };
        assert_eq!(operations::find(name).caller, expected, "{name}");
    }
}
