//! Input that is not what it should be, for every operation: a clean refusal, nothing changed, and the same process
//! goes on.

mod bodies;
mod content_types;
mod fuzz;
mod hostile_events;

use std::collections::BTreeSet;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::{
    contract,
    expect::expect_problem,
    test_app::{PASSWORD, TestApp, TestUser, movie},
};

/// A system with somebody and a movie of theirs in it.
struct Scene {
    app: TestApp,
    ann: TestUser,
    /// Somebody whose password and whose sessions come to an end.
    carol: TestUser,
    movie: Value,
}

/// An operation that takes a body, and one that it accepts.
struct Taker {
    operation: &'static str,
    method: &'static str,
    path: String,
    body: Value,
    token: Option<String>,
}

impl Scene {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let ann = app.person("ann").await;
        let carol = app.person("carol").await;
        let movie = app.movie(&ann, "Alien").await;
        Self { app, ann, carol, movie }
    }

    /// Every operation that takes a body; `openapi.yaml` says which.
    fn takers(&self) -> Vec<Taker> {
        let path_of_movie = format!("/api/movies/{}", self.movie["id"].as_str().expect("an id"));
        let taker = |operation, method, path: &str, body: Value, sender: Option<&TestUser>| Taker {
            operation,
            method,
            path: path.to_owned(),
            body,
            token: sender.map(|sender| sender.token.clone()),
        };
        let newcomer = json!({"email": "bob@example.com", "password": PASSWORD});
        let ann = json!({"email": self.ann.email, "password": PASSWORD});
        let passwords = json!({"current_password": PASSWORD, "new_password": "a bag full of new movies"});
        let takers = vec![
            taker("signup", "POST", "/api/auth/signup", newcomer, None),
            taker("login", "POST", "/api/auth/login", ann, None),
            taker("change-password", "PUT", "/api/auth/password", passwords, Some(&self.carol)),
            taker("create-movie", "POST", "/api/movies", movie("Brazil"), Some(&self.ann)),
            taker("update-movie", "PUT", &path_of_movie, movie("Aliens"), Some(&self.ann)),
        ];
        let described: BTreeSet<_> = contract::operations()
            .filter(|(_, _, operation)| operation["requestBody"].is_object())
            .filter_map(|(_, _, operation)| operation["operationId"].as_str())
            .collect();
        assert_eq!(takers.iter().map(|taker| taker.operation).collect::<BTreeSet<_>>(), described);
        takers
    }

    /// Sends what must be refused with this status and code, and checks that it left no trace.
    async fn refused(&self, taker: &Taker, request: HttpRequest, status: u16, code: &str) -> HttpResponse {
        let before = self.app.contents();
        let response = self.app.send(request).await;
        expect_problem(&response, status, code);
        assert_eq!(self.app.contents(), before, "{} has changed something", taker.operation);
        // A process that ends is not replaced, so this is still the one that answered before.
        assert_eq!(self.app.function(taker.operation).await.running_instances(), 1);
        response
    }

    /// Sends what must be taken.
    async fn taken(&self, request: HttpRequest) {
        let response = self.app.send(request).await;
        assert_eq!(response.status, 200, "{}", response.body);
    }
}

impl Taker {
    /// The request with whatever its sender may send, but without a body.
    fn request(&self) -> HttpRequest {
        let request = HttpRequest::new(self.method, &self.path);
        match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        }
    }

    /// The request with this body, declared as JSON.
    fn with_body(&self, body: impl Into<Vec<u8>>) -> HttpRequest {
        self.request().header("content-type", "application/json").body(body)
    }

    /// The name of a field that holds text.
    fn text_field(&self) -> &'static str {
        let fields = ["name", "email", "new_password"];
        fields.into_iter().find(|field| self.body.get(*field).is_some()).expect("a field of text")
    }
}
