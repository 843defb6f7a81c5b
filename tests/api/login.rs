//! `POST /api/auth/login`.

mod refusals;
mod renewal;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    expect::{status_and_code, token},
    test_app::{PASSWORD, PASSWORD_ATTEMPTS, TestApp, USERS, post},
};

/// Returns the header and the claims of a token.
fn parts(token: &str) -> (Value, Value) {
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| {
            let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
            serde_json::from_slice(&json).expect("JSON")
        })
        .collect();
    (parts[0].clone(), parts[1].clone())
}

/// Returns the time in an id, in milliseconds since 1970.
fn milliseconds_of(id: &Value) -> u64 {
    let id = Uuid::parse_str(id.as_str().expect("an id")).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    let (seconds, nanoseconds) = id.get_timestamp().expect("UUIDv7 has a time").to_unix();
    seconds * 1000 + u64::from(nanoseconds / 1_000_000)
}

#[tokio::test]
async fn a_login_gives_a_token_for_seven_days() {
    let app = TestApp::start().await;
    let id = app.sign_up("Ann@Example.com").await.json()["id"].clone();
    let response = app.log_in("Ann@Example.com", PASSWORD).await;
    insta::assert_json_snapshot!(response.json(), {".token" => "[token]"}, @r#"
    {
      "expires_in": 604800,
      "token": "[token]",
      "token_type": "Bearer"
    }
    "#);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));

    let (header, claims) = parts(&token(&response));
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT", "kid": header["kid"]}));
    assert_eq!(header["kid"].as_str().expect("a kid").len(), 11, "eight bytes in base64url");
    let issued = claims["iat"].as_u64().expect("a time in whole seconds");
    let expected = json!({
        "sub": id, "epoch": 0, "iat": issued, "exp": issued + 604_800, "iss": "movie-bag", "aud": "movie-bag",
        "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    let later = app.sign_up("bob@example.com").await.json()["id"].clone();
    assert!(
        milliseconds_of(&id) <= milliseconds_of(&claims["jti"]),
        "the token is older than its user: {claims}"
    );
    assert!((milliseconds_of(&id) / 1000..=milliseconds_of(&later) / 1000).contains(&issued), "{issued}");
}

#[tokio::test]
async fn every_login_gives_a_new_token_of_the_current_epoch() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let again = token(&app.log_in(&ann.email, PASSWORD).await);
    let (first, second) = (parts(&ann.token).1, parts(&again).1);
    assert_ne!(first["jti"], second["jti"]);
    app.edit_user(&ann.id, |user| user["session_epoch"] = json!({"N": "7"}));
    assert_eq!(parts(&token(&app.log_in(&ann.email, PASSWORD).await)).1["epoch"], 7);
}

#[tokio::test]
async fn an_email_may_be_written_in_any_case() {
    let app = TestApp::start().await;
    let id = app.sign_up("Ann@Example.com").await.json()["id"].clone();
    for email in ["ann@example.com", "ANN@EXAMPLE.COM", "aNN@eXAMPLE.com"] {
        assert_eq!(parts(&token(&app.log_in(email, PASSWORD).await)).1["sub"], id, "{email}");
    }
}

#[tokio::test]
async fn login_checks_only_the_type_and_size_of_credentials() {
    let app = TestApp::start().await;
    let credentials = |email: &Value, password: &Value| json!({"email": email, "password": password});
    let (good, size) = (json!("any text"), "must have at most 1024 bytes");
    for (value, message) in [
        (json!("x".repeat(1025)), size),
        (json!(format!("{}x", "é".repeat(512))), size),
        (json!("x".repeat(60_000)), size),
        (json!(null), "must be a string"),
        (json!(1), "must be a string"),
        (json!(["x"]), "must be a string"),
        (json!({"S": "x"}), "must be a string"),
    ] {
        for (field, body) in [("email", credentials(&value, &good)), ("password", credentials(&good, &value))]
        {
            let response = app.send(post("/api/auth/login", &body)).await;
            assert_eq!(status_and_code(&response), (400, "validation_failed".to_owned()), "{body}");
            assert_eq!(response.json()["errors"], json!([{"field": field, "message": message}]));
            assert_eq!(response.header("cache-control"), Some("no-store"));
        }
    }
    let body = json!({"email": 1, "token": "x", "epoch": 1});
    let errors = app.send(post("/api/auth/login", &body)).await.json()["errors"].clone();
    let expected = json!([
        {"field": "email", "message": "must be a string"},
        {"field": "password", "message": "is required"},
        {"field": "epoch", "message": "is not a known field"},
        {"field": "token", "message": "is not a known field"},
    ]);
    assert_eq!(errors, expected);
    for request in [post("/api/auth/login", &json!([])), post("/api/auth/login", &json!("x"))] {
        assert_eq!(status_and_code(&app.send(request).await), (400, "malformed_json".to_owned()));
    }
    assert!(app.proxy.calls().is_empty(), "an invalid body must not cause a request to DynamoDB");
}

#[tokio::test]
async fn a_login_with_72_bytes_works_and_with_more_does_not() {
    let app = TestApp::start().await;
    let longest = "0123456789ab".repeat(6);
    let body = json!({"email": "ann@example.com", "password": longest});
    assert_eq!(app.send(post("/api/auth/signup", &body)).await.status, 200);
    assert_eq!(app.log_in("ann@example.com", &longest).await.status, 200);
    for wrong in [format!("{longest}x"), format!("{longest}\0"), longest[..71].to_owned(), longest.repeat(2)]
    {
        assert_eq!(app.log_in("ann@example.com", &wrong).await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn a_login_changes_no_user_and_leaves_no_failure() {
    let app = TestApp::start().await;
    app.sign_up("ann@example.com").await;
    let before = app.items(USERS, "");
    app.log_in("ann@example.com", PASSWORD).await;
    assert_eq!(app.items(USERS, ""), before);
    assert_eq!(app.items(PASSWORD_ATTEMPTS, ""), [Value::Null; 0]);
    let calls = app.proxy.calls_of("login");
    let reads = calls.iter().filter(|call| call.operation == "GetItem");
    let consistent: Vec<_> = reads.map(|call| &call.body["ConsistentRead"]).collect();
    assert_eq!(consistent, [&json!(true); 2]);
}

#[tokio::test]
async fn a_corrupt_user_is_500_and_the_log_shows_no_secrets() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for corrupt in
        ["", "not a hash", "$2b$04$short", "$2b$99$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde"]
    {
        app.edit_user(&ann.id, |user| user["password_hash"] = json!({"S": corrupt}));
        let response = app.log_in(&ann.email, PASSWORD).await;
        assert_eq!(status_and_code(&response), (500, "internal".to_owned()), "{corrupt:?}");
        let line = app.wait_for_log(response.json()["request_id"].as_str().expect("an id")).await;
        assert!(line.contains("password hashing failed"), "{line}");
        assert!(corrupt.is_empty() || !line.contains(corrupt), "{line}");
    }
    for (attribute, value) in [
        ("password_hash", json!({"N": "5"})),
        ("status", json!({"S": "asleep"})),
        ("session_epoch", json!({"N": "-1"})),
        ("id", json!({"S": "not an id"})),
    ] {
        let stored = app.items(USERS, &format!("user#{}", bob.id)).remove(0);
        app.edit_user(&bob.id, |user| user[attribute] = value);
        let response = app.log_in(&bob.email, PASSWORD).await;
        assert_eq!(status_and_code(&response), (500, "internal".to_owned()), "{attribute}");
        let line = app.wait_for_log(response.json()["request_id"].as_str().expect("an id")).await;
        assert!(line.contains(&format!("user#{}", bob.id)) && line.contains("corrupt"), "{line}");
        app.database.put_item(USERS, stored).expect("an item");
    }
    assert_eq!(app.log_in(&bob.email, PASSWORD).await.status, 200, "the process continues");
}

#[tokio::test]
async fn a_corrupt_claim_is_logged_without_its_email() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let claim = json!({"pk": {"S": format!("email#{}", ann.email)}, "user_id": {"S": "not an id"}});
    app.database.put_item(USERS, claim).expect("an item");
    let response = app.log_in(&ann.email, PASSWORD).await;
    assert_eq!(status_and_code(&response), (500, "internal".to_owned()));
    let line = app.wait_for_log(response.json()["request_id"].as_str().expect("an id")).await;
    assert!(line.contains("corrupt") && !line.contains(&ann.email), "{line}");
}
