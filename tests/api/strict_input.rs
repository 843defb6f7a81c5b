//! Invalid input of every operation: it is refused, nothing changes, and the process continues.

mod bodies;
mod content_types;
mod fuzz;
mod hostile_events;

use std::collections::BTreeMap;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::{
    expect::expect_problem,
    operations::{self, Caller, Operation},
    test_app::{Owner, TestApp},
};

/// A system in which each operation has a user and a movie of its own.
struct StrictInputTest {
    app: TestApp,
    owners: BTreeMap<&'static str, Owner>,
}

/// An operation that takes a body, and one that it accepts.
struct BodyCase {
    operation: &'static Operation,
    owner_movie_id: String,
    body: Value,
    token: Option<String>,
}

impl StrictInputTest {
    /// Starts the system for every operation that has a route.
    async fn start() -> Self {
        Self::start_for(operations::with_route()).await
    }

    /// Starts the system for every operation that takes a body.
    async fn start_for_bodies() -> Self {
        Self::start_for(operations::with_body()).await
    }

    async fn start_for(operations: impl Iterator<Item = &'static Operation>) -> Self {
        let app = TestApp::start().await;
        let mut owners = BTreeMap::new();
        for operation in operations {
            let mut owner = app.create_owner(operation.name).await;
            owner.reset_token = app.issue_reset_token(&owner.user);
            owners.insert(operation.name, owner);
        }
        Self { app, owners }
    }

    /// Returns a case for every operation that takes a body, with the body that has most fields.
    fn body_cases(&self) -> Vec<BodyCase> {
        let case = |operation: &'static Operation| {
            let owner = &self.owners[operation.name];
            let bodies = (operation.calls)(owner).into_iter().filter_map(|call| call.body);
            let fields = |body: &Value| body.as_object().map_or(0, serde_json::Map::len);
            BodyCase {
                operation,
                owner_movie_id: owner.movie_id.clone(),
                body: bodies.max_by_key(fields).expect("a call with a body"),
                token: (operation.caller == Caller::User).then(|| owner.user.token.clone()),
            }
        };
        operations::with_body().map(case).collect()
    }

    /// Asserts that a request is refused with this status and code, changes nothing and does not end the process.
    async fn assert_refused(
        &self,
        case: &BodyCase,
        request: HttpRequest,
        status: u16,
        code: &str,
    ) -> HttpResponse {
        let before = self.app.table_contents();
        let response = self.app.send(request).await;
        expect_problem(&response, status, code);
        assert_eq!(self.app.table_contents(), before, "{} has changed something", case.operation.name);
        // A process that ends is not replaced, so this is the process that sent the response.
        assert_eq!(self.app.function(case.operation.name).await.running_instances(), 1);
        response
    }

    /// Asserts that a request succeeds.
    async fn assert_accepted(&self, request: HttpRequest) {
        let response = self.app.send(request).await;
        assert!([200, 202].contains(&response.status), "{}", response.body);
    }
}

impl BodyCase {
    /// Returns the request with a valid token, if it needs one, and without a body.
    fn request(&self) -> HttpRequest {
        let request = self.operation.bare_request(&self.owner_movie_id);
        match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        }
    }

    /// Returns the request with this body, declared as JSON.
    fn with_body(&self, body: impl Into<Vec<u8>>) -> HttpRequest {
        self.request().header("content-type", "application/json").body(body)
    }

    /// Returns the name of a field that holds text.
    fn text_field(&self) -> &'static str {
        let fields = ["name", "email", "new_password", "reset_token"];
        fields.into_iter().find(|field| self.body.get(*field).is_some()).expect("a field of text")
    }
}
