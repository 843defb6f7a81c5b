//! Each metric of an outcome is emitted exactly when it should be.

use std::{collections::BTreeMap, time::Duration};

use local::{
    fault_proxy::{Fault, Rule},
    gateway::HttpRequest,
    runtime_api::{Function, FunctionOptions},
};
use serde_json::{Value, json};

use super::text;
use crate::{
    emf::{self, send},
    test_app::{
        MOVIES, NEW_PASSWORD, PASSWORD, PASSWORD_ATTEMPTS, TestApp, delete, forgot_password, get, movie,
        movie_path, post, put, reset_password,
    },
};

/// Returns the names of the outcomes that a line counts, each once.
fn outcomes(line: &Value) -> Vec<String> {
    let counted: BTreeMap<String, f64> = emf::values(line);
    let outcomes = counted.into_iter().filter(|(name, _)| !name.ends_with("CapacityUnits"));
    outcomes
        .map(|(name, value)| {
            assert!((value - 1.0).abs() < f64::EPSILON, "{name} is {value}");
            name
        })
        .collect()
}

/// Panics unless the request has this status and counts as exactly these outcomes.
async fn assert_outcome(app: &TestApp, request: HttpRequest, status: u16, expected: &[&str]) {
    let (response, line) = send(app, &request).await;
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(outcomes(&line), expected, "{line:#}");
}

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

fn login(email: &str, password: &str) -> HttpRequest {
    post("/api/auth/login", &credentials(email, password))
}

#[tokio::test]
async fn signups_and_logins_are_counted_by_outcome() {
    let app = TestApp::start_with_json_logs().await;
    let signup = |email: &str| post("/api/auth/signup", &credentials(email, PASSWORD));
    assert_outcome(&app, signup("ann@example.com"), 200, &["Signups"]).await;
    assert_outcome(&app, signup("ann@example.com"), 409, &[]).await;
    assert_outcome(&app, signup("not an address"), 400, &[]).await;
    assert_outcome(&app, login("ann@example.com", PASSWORD), 200, &["LoginsSucceeded"]).await;
    assert_outcome(&app, login("ann@example.com", "a wrong password"), 401, &["LoginsFailed"]).await;
    assert_outcome(&app, login("nobody@example.com", PASSWORD), 401, &["LoginsFailed"]).await;
    assert_outcome(&app, post("/api/auth/login", &json!({})), 400, &[]).await;
    for counter in
        app.items(PASSWORD_ATTEMPTS, "").iter().filter(|counter| counter["blocked_until"].is_object())
    {
        let end = shared::runtime::CLOCK.now().unix_milliseconds() + 3_600_000;
        let key = counter["pk"]["S"].as_str().expect("a key");
        app.edit_item(PASSWORD_ATTEMPTS, key, |counter| {
            counter["blocked_until"] = json!({"N": end.to_string()});
        });
    }
    assert_outcome(&app, login("ann@example.com", PASSWORD), 429, &["LoginsThrottled"]).await;
}

#[tokio::test]
async fn password_resets_are_counted() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    assert_outcome(&app, forgot_password(&ann.email), 202, &["ResetsRequested"]).await;
    assert_outcome(&app, forgot_password("nobody@example.com"), 202, &["ResetsRequested"]).await;
    assert_outcome(&app, forgot_password("nobody"), 400, &[]).await;
    assert_outcome(&app, reset_password(&token, "short"), 400, &[]).await;
    assert_outcome(&app, reset_password(&token, NEW_PASSWORD), 200, &["PasswordsReset"]).await;
    assert_outcome(&app, reset_password(&token, NEW_PASSWORD), 403, &[]).await;
}

#[tokio::test]
async fn only_created_movies_are_counted() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let create = |body: &Value| post("/api/movies", body).bearer(&ann.token);
    let (response, line) = send(&app, &create(&movie("Alien"))).await;
    assert_eq!((response.status, outcomes(&line)), (200, vec!["MoviesCreated".to_owned()]));
    let path = format!("/api/movies/{}", text(&response, "id"));
    let passwords =
        |current: &str| json!({"current_password": current, "new_password": "a bag of new movies"});
    let change = |current: &str| put("/api/auth/password", &passwords(current)).bearer(&ann.token);
    for (request, status) in [
        (create(&movie("Alien")), 409),
        (create(&json!({})), 400),
        (post("/api/movies", &movie("Heat")), 401),
        (get("/api/movies"), 200),
        (get(&path), 200),
        (put(&path, &json!({"name": "Aliens"})).bearer(&ann.token), 200),
        (delete(&path).bearer(&ann.token), 200),
        (get(&path), 404),
        (get("/api/auth/account").bearer(&ann.token), 200),
        (get("/api/auth/account"), 401),
        (change("a wrong password"), 403),
        (change(PASSWORD), 200),
    ] {
        assert_outcome(&app, request, status, &[]).await;
    }
    let token = text(&app.log_in(&ann.email, "a bag of new movies").await, "token");
    assert_outcome(&app, delete("/api/auth/account").bearer(&token), 202, &[]).await;
    assert_outcome(&app, post("/api/auth/logout", &json!({})).bearer(&token), 401, &[]).await;
}

#[tokio::test]
async fn server_errors_of_dynamodb_are_counted_apart() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let path = movie_path(&app.create_movie(&ann, "Alien").await);
    let both = ["DatabaseErrors", "InternalErrors", "ServerErrors"];
    app.proxy.inject(Rule::once(Fault::TableMissing));
    assert_outcome(&app, get(&path), 500, &both).await;
    app.edit_item(MOVIES, &path.replace("/api/movies/", "movie#"), |movie| {
        movie["casts"] = json!({"N": "1"});
    });
    assert_outcome(&app, get(&path), 500, &both).await;

    // The hash has a cost that bcrypt does not support. This is not an error of DynamoDB, which returned the stored
    // item.
    app.edit_user(&ann.id, |user| {
        let hash = user["password_hash"]["S"].as_str().expect("a hash").replace("$2b$04$", "$2b$77$");
        user["password_hash"] = json!({"S": hash});
    });
    assert_outcome(&app, login(&ann.email, PASSWORD), 500, &["InternalErrors", "ServerErrors"]).await;
}

#[tokio::test]
async fn running_out_of_time_is_a_database_error() {
    let app = TestApp::start_with_json_logs().await;
    let options = FunctionOptions { timeout: Duration::from_secs(2), ..app.options("list-movies") };
    let hurried = Function::start(options).await.expect("the function starts");
    app.proxy.inject(Rule::once(Fault::Stall));
    hurried.invoke(&app.event(&get("/api/movies")).1).await;
    let line = emf::first_document(&hurried).await;
    assert_eq!((&line["status"], &line["level"]), (&json!(503), &json!("WARN")));
    assert_eq!(line["cause"], "the function ran out of time");
    assert_eq!(outcomes(&line), ["DatabaseErrors", "ServerErrors"]);
}
