//! Derives properties of an operation from its row and from `openapi.yaml`.

use std::collections::BTreeSet;

use local::gateway::HttpRequest;
use serde_json::Value;

use super::{Caller, ExampleCall, OPERATIONS, Operation};
use crate::{
    contract,
    test_app::{Owner, TestApp, TestUser, segment},
};

/// Returns the row of this operation. Panics if there is none.
pub fn find(name: &str) -> &'static Operation {
    let found = OPERATIONS.iter().find(|operation| operation.name == name);
    found.unwrap_or_else(|| panic!("add {name} to OPERATIONS in tests/api/operations.rs"))
}

/// Returns every operation that has a route.
pub fn with_route() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|operation| operation.caller != Caller::Aws)
}

/// Returns every operation that `openapi.yaml` describes: those that clients of the API call over HTTP.
pub fn described() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|operation| matches!(operation.caller, Caller::Anyone | Caller::User))
}

/// Returns every operation that needs a token.
pub fn with_token() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|operation| operation.caller == Caller::User)
}

/// Returns every operation that takes a body, as `openapi.yaml` says.
pub fn with_body() -> impl Iterator<Item = &'static Operation> {
    described().filter(|operation| operation.definition()["requestBody"].is_object())
}

/// Makes every call of [`OPERATIONS`], each with a new owner: hands the operation, the call and its request to `send`.
pub async fn for_every_call(
    app: &TestApp,
    send: impl AsyncFnMut(&'static Operation, ExampleCall, HttpRequest),
) {
    for_every_call_with(app, async |_, user| app.issue_reset_token(user), send).await;
}

/// Makes every call as [`for_every_call`] does, with a reset token that `reset_token` issues for the operation's user.
pub async fn for_every_call_with(
    app: &TestApp,
    reset_token: impl AsyncFn(&Operation, &TestUser) -> String,
    mut send: impl AsyncFnMut(&'static Operation, ExampleCall, HttpRequest),
) {
    for operation in OPERATIONS {
        for index in 0..(operation.calls)(&Owner::default()).len() {
            let mut owner = app.create_owner(&format!("{}-{index}", operation.name)).await;
            owner.reset_token = reset_token(operation, &owner.user).await;
            let call = (operation.calls)(&owner).swap_remove(index);
            let request = operation.request(&owner, &call);
            send(operation, call, request).await;
        }
    }
}

/// Returns the names of the operations that compute password hashes.
pub fn hashing() -> BTreeSet<&'static str> {
    OPERATIONS.iter().filter(|operation| operation.hashes).map(|operation| operation.name).collect()
}

impl Operation {
    /// Returns the method, the path and the operation object of `openapi.yaml`.
    fn documented(&self) -> (String, &'static str, &'static Value) {
        let found = contract::operations().find(|(_, _, definition)| definition["operationId"] == self.name);
        found.unwrap_or_else(|| panic!("add {} to openapi.yaml", self.name))
    }

    /// Returns the operation object of `openapi.yaml`.
    pub fn definition(&self) -> &'static Value {
        self.documented().2
    }

    /// Returns the status of a success: the only status below 300 in `openapi.yaml`.
    pub fn success(&self) -> u16 {
        let responses = self.definition()["responses"].as_object().expect("responses");
        let statuses = responses.keys().map(|status| status.parse::<u16>().expect("a status"));
        let successes: Vec<u16> = statuses.filter(|status| *status < 300).collect();
        let [success] = successes[..] else { panic!("{} has the successes {successes:?}", self.name) };
        success
    }

    /// Returns a request on the operation's route, without body and token.
    pub fn bare_request(&self, movie_id: &str) -> HttpRequest {
        let (method, path, _) = self.documented();
        HttpRequest::new(method, &path.replace("{id}", movie_id))
    }

    /// Returns one of the owner's calls as a request.
    pub fn request(&self, owner: &Owner, call: &ExampleCall) -> HttpRequest {
        let request = self.bare_request(&owner.movie_id);
        let request = match &call.body {
            None => request,
            Some(body) if self.definition()["requestBody"].is_object() => request.json(body),
            Some(parameters) => request.query(query(parameters)),
        };
        if self.caller == Caller::User { request.bearer(&owner.user.token) } else { request }
    }

    /// Returns the request with the first example body of `openapi.yaml`, without a token. With the token of the
    /// movie's owner, it succeeds.
    pub fn example_request(&self, movie_id: &str) -> HttpRequest {
        let examples =
            self.definition()["requestBody"]["content"]["application/json"]["examples"].as_object();
        let body = examples.and_then(|examples| examples.values().next()).map(|example| &example["value"]);
        body.into_iter().fold(self.bare_request(movie_id), HttpRequest::json)
    }
}

/// Returns the raw query with these parameters.
fn query(parameters: &Value) -> String {
    let parameters = parameters.as_object().expect("parameters by name").iter();
    let pairs =
        parameters.map(|(name, value)| format!("{name}={}", segment(value.as_str().expect("a text"))));
    pairs.collect::<Vec<_>>().join("&")
}
