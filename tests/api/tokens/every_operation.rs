//! Every operation that needs a token, taken from `openapi.yaml`, so that one that is added later is tested, too.

use local::gateway::HttpRequest;
use serde_json::{Value, json};

use super::{assert_refused, forge, issued};
use crate::{
    contract,
    test_app::{TestApp, TestUser, USERS},
};

/// The operations that anybody may call. This list may only become shorter.
const PUBLIC: [&str; 4] = ["signup", "login", "list-movies", "get-movie"];

/// An operation that needs a token.
pub struct Operation {
    pub name: &'static str,
    method: String,
    path: &'static str,
    /// The first example of its body; none where it takes none.
    body: Option<Value>,
}

impl Operation {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let protected = contract::operations()
            .filter(|(_, _, definition)| definition["security"].as_array().is_none_or(|all| !all.is_empty()));
        protected
            .map(|(method, path, definition)| Self {
                name: definition["operationId"].as_str().expect("a name"),
                method,
                path,
                body: definition["requestBody"]["content"]["application/json"]["examples"]
                    .as_object()
                    .and_then(|examples| examples.values().next())
                    .map(|example| example["value"].clone()),
            })
            .collect()
    }

    /// The request that would succeed with a good token of the movie's owner.
    pub fn request(&self, movie_id: &str) -> HttpRequest {
        let request = HttpRequest::new(self.method.clone(), &self.path.replace("{id}", movie_id));
        self.body.iter().fold(request, HttpRequest::json)
    }

    /// Requests with something else wrong, too: 401 comes before 415, 413, 400 and 404.
    fn requests(&self, movie_id: &str) -> [HttpRequest; 5] {
        let bare = |id: &str| HttpRequest::new(self.method.clone(), &self.path.replace("{id}", id));
        let json = || bare(movie_id).header("content-type", "application/json");
        [
            self.request(movie_id),
            bare(movie_id).header("content-type", "text/plain").body("x".repeat(65_537)),
            json().body("x".repeat(65_537)),
            json().body("not JSON"),
            self.request("no-such-movie"),
        ]
    }
}

/// Somebody with a movie of their own, and that movie's id.
pub async fn owner(app: &TestApp, name: &str) -> (TestUser, String) {
    let person = app.person(name).await;
    let id =
        app.movie(&person, &format!("The movie of {name}")).await["id"].as_str().expect("an id").to_owned();
    (person, id)
}

#[tokio::test]
async fn every_operation_that_needs_a_token_refuses_what_is_none() {
    let app = TestApp::start().await;
    let (ann, anns_movie) = owner(&app, "ann").await;
    let (gone, movie_of_gone) = owner(&app, "gone").await;
    let (leaving, movie_of_leaving) = owner(&app, "deleting").await;
    let (revoked, movie_of_revoked) = owner(&app, "revoked").await;
    app.database.delete_item(USERS, json!({"pk": {"S": format!("user#{}", gone.id)}})).expect("a user");
    app.edit_user(&leaving.id, |user| user["status"] = json!({"S": "deleting"}));
    app.edit_user(&revoked.id, |user| user["session_epoch"] = json!({"N": "1"}));
    let expired = forge(&ann.token, &json!({}), &json!({"exp": issued(&ann.token) - 60}));
    let before = app.contents();
    let cases = [
        (None, &anns_movie, "missing_token", "reason=missing"),
        (Some("not.a.token"), &anns_movie, "invalid_token", "reason=malformed"),
        (Some(expired.as_str()), &anns_movie, "invalid_token", "reason=expired"),
        (Some(&gone.token), &movie_of_gone, "invalid_token", "reason=user_gone"),
        (Some(&leaving.token), &movie_of_leaving, "invalid_token", "reason=user_gone"),
        (Some(&revoked.token), &movie_of_revoked, "invalid_token", "reason=revoked"),
    ];
    let operations = Operation::all();
    assert!(operations.len() >= 3, "operations that need a token: {}", operations.len());
    for operation in &operations {
        for (token, movie_id, code, reason) in cases {
            for (number, request) in operation.requests(movie_id).into_iter().enumerate() {
                let request = token.iter().fold(request, |request, token| request.bearer(token));
                let response = app.send(request).await;
                assert_refused(&response, code, &format!("{} {reason}, request {number}", operation.name));
                let line = app.logged(response.json()["request_id"].as_str().expect("an id")).await;
                assert!(line.contains(reason), "{reason} expected: {line}");
            }
        }
        assert_eq!(app.contents(), before, "{}", operation.name);
    }
}

#[tokio::test]
async fn every_operation_that_needs_a_token_takes_a_good_one() {
    let app = TestApp::start().await;
    for operation in Operation::all() {
        let (person, movie_id) = owner(&app, operation.name).await;
        let response = app.send(operation.request(&movie_id).bearer(&person.token)).await;
        assert!((200..300).contains(&response.status), "{}: {}", operation.name, response.body);
    }
}

#[tokio::test]
async fn every_route_that_is_not_public_asks_for_a_token() {
    let app = TestApp::start().await;
    let before = app.contents();
    let mut asked = 0;
    for function in app.template.functions() {
        if PUBLIC.contains(&function.operation.as_str()) {
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
    assert_eq!(app.contents(), before);
}

#[test]
fn the_public_operations_are_those_that_the_document_calls_public() {
    let protected: Vec<&str> = Operation::all().iter().map(|operation| operation.name).collect();
    for (_, _, definition) in contract::operations() {
        let name = definition["operationId"].as_str().expect("a name");
        assert_ne!(PUBLIC.contains(&name), protected.contains(&name), "{name}");
    }
    for name in PUBLIC {
        assert!(contract::operations().any(|(_, _, definition)| definition["operationId"] == name), "{name}");
    }
}
