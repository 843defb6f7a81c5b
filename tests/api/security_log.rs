//! The security log: one JSON line for each authentication and authorization event, as Lambda stores it.

mod injection;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    contract,
    test_app::{
        NEW_PASSWORD, PASSWORD, PASSWORD_ATTEMPTS, TOKEN_KEY, TestApp, USERS, delete, forgot_password, get,
        movie, movie_path, post, put, reset_password,
    },
    throttle::early_in_the_hour,
    tokens::{
        Algorithm::{Hs256, Hs512},
        forge, forge_with, issued,
    },
};

/// Sends a request, and returns the response, its security event, if there is one, and its completion line.
async fn logged(app: &TestApp, request: &HttpRequest) -> (HttpResponse, Option<Value>, Value) {
    let (operation, event) = app.event(request);
    let response = app.send_event(&operation, &event).await;
    let id = event["requestContext"]["requestId"].as_str().expect("an id");
    // It is the last line of the request.
    app.wait_for_log_with(&[id, "request completed"]).await;
    let lines = app.logs().into_iter().filter(|line| line.contains(id));
    let lines =
        lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let (mut events, mut ends): (Vec<Value>, Vec<Value>) =
        lines.partition(|line: &Value| line.get("security_event").is_some());
    assert!(events.len() <= 1, "more than one event: {events:?}");
    assert_eq!(ends.len(), 1, "{ends:?}");
    for names in events.iter().map(|line| &line["span"]).chain(&ends) {
        assert_eq!((&names["request_id"], &names["route"]), (&json!(id), &event["routeKey"]), "{names}");
    }
    (response, events.pop(), ends.remove(0))
}

/// Panics unless the request logs exactly this event of exactly this user, and nothing else.
async fn assert_event(app: &TestApp, request: HttpRequest, status: u16, event: &Value, user: Option<&str>) {
    let (response, line, end) = logged(app, &request).await;
    assert_eq!(response.status, status, "{event}: {}", response.body);
    let mut line = line.unwrap_or_else(|| panic!("there is no {event}"));
    let span = line["span"].take();
    assert_eq!(span.get("user_id").and_then(Value::as_str), user, "{event}: {span}");
    assert_eq!(end.get("user_id").and_then(Value::as_str), user, "{event}: {end}");
    let mut names: Vec<&str> = span.as_object().expect("a span").keys().map(String::as_str).collect();
    names.retain(|name| *name != "user_id");
    assert_eq!(names, ["name", "request_id", "route"], "{event}");

    let mut fields: Map<String, Value> = line.as_object().expect("a line").clone();
    fields.remove("span");
    let (time, level) = (fields.remove("timestamp"), fields.remove("level"));
    assert!(time.is_some_and(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))), "{line}");
    assert_eq!(level, Some(json!("INFO")), "{line}");
    assert_eq!(fields.remove("target"), Some(json!("shared::telemetry::security_log")), "{line}");
    assert_eq!(&Value::Object(fields), event);
}

/// Panics unless the request logs a refused token with this reason.
async fn assert_token_refused(app: &TestApp, token: &str, reason: &str, user: Option<&str>) {
    let event = json!({"security_event": "token_refused", "reason": reason});
    assert_event(app, get("/api/auth/account").bearer(token), 401, &event, user).await;
}

fn login(email: &str, password: &str) -> HttpRequest {
    post("/api/auth/login", &json!({"email": email, "password": password}))
}

fn change(current: &str, new: &str) -> HttpRequest {
    put("/api/auth/password", &json!({"current_password": current, "new_password": new}))
}

/// Blocks every account and address with failures.
fn block(app: &TestApp) {
    for counter in
        app.items(PASSWORD_ATTEMPTS, "").iter().filter(|counter| counter["blocked_until"].is_object())
    {
        let key = counter["pk"]["S"].as_str().expect("a key");
        let end = shared::runtime::CLOCK.now().unix_milliseconds() + 3_600_000;
        app.edit_item(PASSWORD_ATTEMPTS, key, |counter| {
            counter["blocked_until"] = json!({"N": end.to_string()});
        });
    }
}

#[tokio::test]
async fn logins_are_logged_with_the_user_if_known() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let event = |name: &str| json!({"security_event": name});
    let id = Some(ann.id.as_str());
    assert_event(&app, login(&ann.email, PASSWORD), 200, &event("logged_in"), id).await;
    assert_event(&app, login(&ann.email, "a wrong password"), 401, &event("login_failed"), id).await;
    assert_event(&app, login("nobody@example.com", PASSWORD), 401, &event("login_failed"), None).await;
    assert_event(&app, login("not an address", PASSWORD), 401, &event("login_failed"), None).await;
    block(&app);
    let (response, line, _) = logged(&app, &login(&ann.email, PASSWORD)).await;
    let line = line.expect("an event");
    assert_eq!((response.status, &line["security_event"]), (429, &json!("attempt_blocked")), "{line}");
    assert_event(&app, login("nobody@example.com", PASSWORD), 429, &event("attempt_blocked"), None).await;
}

#[tokio::test]
async fn account_events_are_logged_with_the_users_id() {
    let app = TestApp::start_with_json_logs().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let event = |name: &str| json!({"security_event": name});
    let id = Some(ann.id.as_str());
    let wrong = change("a wrong password", NEW_PASSWORD).bearer(&ann.token);
    assert_event(&app, wrong.clone(), 403, &event("password_check_failed"), id).await;
    block(&app);
    assert_event(&app, wrong, 429, &event("attempt_blocked"), id).await;
    app.reset_password_attempts();
    let right = change(PASSWORD, NEW_PASSWORD).bearer(&ann.token);
    assert_event(&app, right, 200, &event("password_changed"), id).await;

    early_in_the_hour().await;
    let token = app.issue_reset_token(&ann);
    assert_event(&app, forgot_password(&ann.email), 202, &event("reset_requested"), None).await;
    assert_event(&app, forgot_password("nobody@example.com"), 202, &event("reset_requested"), None).await;
    assert_event(&app, reset_password(&token, PASSWORD), 200, &event("password_reset"), id).await;
    let refused = json!({"security_event": "reset_refused", "reason": "unknown"});
    assert_event(&app, reset_password(&token, PASSWORD), 403, &refused, None).await;
    for _ in 0..18 {
        app.forgot_password("nobody@example.com").await;
    }
    let blocked = json!({"security_event": "reset_refused", "reason": "too_many_requests"});
    assert_event(&app, forgot_password(&ann.email), 429, &blocked, None).await;

    let id = Some(bob.id.as_str());
    let logout = post("/api/auth/logout", &json!({})).bearer(&bob.token);
    assert_event(&app, logout, 200, &event("logged_out"), id).await;
    let session = app.new_token(&bob.email).await;
    let not_fresh = forge(&session, &json!({}), &json!({"iat": issued(&session) - 700}));
    let refused = json!({"security_event": "token_refused", "reason": "not_fresh"});
    let request_deletion = |token: &str| delete("/api/auth/account").bearer(token);
    assert_event(&app, request_deletion(&not_fresh), 403, &refused, id).await;
    assert_event(&app, request_deletion(&session), 202, &event("account_deletion_requested"), id).await;
}

#[tokio::test]
async fn a_refused_token_is_logged_with_its_reason() {
    let app = TestApp::start_with_json_logs().await;
    let (ann, deleted, out) =
        (app.create_user("ann").await, app.create_user("deleted").await, app.create_user("out").await);
    let (token, none, now) = (ann.token.as_str(), json!({}), issued(&ann.token));
    let with_header = |changes: Value| forge(token, &changes, &none);
    let with_claims = |changes: Value| forge(token, &none, &changes);
    let other_key = "another key, which is long enough to be one";
    app.delete_item(USERS, &format!("user#{}", deleted.id));
    app.edit_user(&out.id, |user| user["session_epoch"] = json!({"N": "1"}));
    let unknown = Uuid::from_u128(7).to_string();
    for (token, reason, user) in [
        ("x".to_owned(), "malformed", None),
        ("not.a.token".to_owned(), "malformed", None),
        (format!("{token},{token}"), "malformed", None),
        (forge_with(TOKEN_KEY, Hs512, token, &json!({"alg": "HS512"}), &none), "algorithm", None),
        (with_header(json!({"typ": "at+jwt"})), "header", None),
        (with_header(json!({"kid": "AAAAAAAAAAA"})), "unknown_key", None),
        (forge_with(other_key, Hs256, token, &none, &none), "signature", None),
        (with_claims(json!({"iss": "other"})), "not_ours", None),
        (with_claims(json!({"exp": now - 60})), "expired", None),
        (with_claims(json!({"iat": now + 3_600})), "not_yet_valid", None),
        (with_claims(json!({"sub": unknown})), "user_gone", Some(&unknown)),
        (deleted.token.clone(), "user_gone", Some(&deleted.id)),
        (out.token.clone(), "revoked", Some(&out.id)),
    ] {
        assert_token_refused(&app, &token, reason, user.map(String::as_str)).await;
    }
    let missing = json!({"security_event": "token_refused", "reason": "missing"});
    assert_event(&app, get("/api/auth/account"), 401, &missing, None).await;
    let basic = get("/api/auth/account").header("authorization", format!("Basic {token}"));
    assert_event(&app, basic, 401, &missing, None).await;
}

#[tokio::test]
async fn a_forbidden_write_is_logged_with_its_user() {
    let app = TestApp::start_with_json_logs().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let id = app.create_movie(&ann, "Alien").await["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/movies/{id}");
    let event = json!({"security_event": "write_forbidden"});
    for request in
        [put(&path, &json!({"name": "Mine"})), put(&path, &json!({"genres": ["Mine"]})), delete(&path)]
    {
        assert_event(&app, request.bearer(&bob.token), 403, &event, Some(&bob.id)).await;
    }
}

#[tokio::test]
async fn other_errors_are_not_security_events() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let path = movie_path(&app.create_movie(&ann, "Alien").await);
    let unknown = "/api/movies/019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";
    for (request, status, user) in [
        (get("/api/movies"), 200, false),
        (get("/api/movies?limit=x"), 400, false),
        (get(&path), 200, false),
        (get(unknown), 404, false),
        (get("/api/auth/account").bearer(&ann.token), 200, true),
        (post("/api/movies", &movie("Alien")).bearer(&ann.token), 409, true),
        (post("/api/movies", &movie("")).bearer(&ann.token), 400, true),
        (put(&path, &json!({"genres": ["Horror"]})).bearer(&ann.token), 200, true),
        (delete(unknown).bearer(&ann.token), 404, true),
        (delete(&path).bearer(&ann.token), 200, true),
        (post("/api/auth/signup", &json!({"email": ann.email, "password": PASSWORD})), 409, false),
        (post("/api/auth/signup", &json!({"email": ann.email})), 400, false),
        (login(&ann.email, &"x".repeat(2_000)), 400, false),
        (change(PASSWORD, "short").bearer(&ann.token), 400, true),
    ] {
        let (operation, _) = app.event(&request);
        let (response, event, end) = logged(&app, &request).await;
        assert_eq!((response.status, &event), (status, &None), "{operation}: {}", response.body);
        assert_eq!(end["status"], status);
        assert_eq!(end.get("user_id"), user.then(|| json!(ann.id)).as_ref(), "{operation}");
    }
}

/// Every operation logs a refused token in the same way.
#[tokio::test]
async fn every_protected_operation_logs_a_missing_token() {
    let app = TestApp::start_with_json_logs().await;
    let mut operations = 0;
    for (method, path, definition) in contract::operations() {
        if definition["security"].as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        let request = HttpRequest::new(method, &path.replace("{id}", "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7"));
        for (request, reason) in [(request.clone(), "missing"), (request.bearer("x"), "malformed")] {
            let event = json!({"security_event": "token_refused", "reason": reason});
            assert_event(&app, request, 401, &event, None).await;
        }
        operations += 1;
    }
    assert!(operations >= 7, "{operations}");
}
