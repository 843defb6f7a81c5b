//! The content type and the size of the body, and the precedence of errors.

use std::collections::BTreeMap;

use local::gateway::HttpRequest;
use serde_json::json;

use crate::{
    expect::status_and_code,
    test_app::{PASSWORD, TestApp},
};

/// The maximum size of a body in bytes.
const LIMIT: usize = 65_536;

fn signup(content_type: Option<&str>, body: impl Into<Vec<u8>>) -> HttpRequest {
    let request = HttpRequest::new("POST", "/api/auth/signup").body(body);
    content_type.map_or(request.clone(), |content_type| request.header("content-type", content_type))
}

fn account(email: &str) -> String {
    json!({"email": email, "password": PASSWORD}).to_string()
}

/// Returns a body of exactly this many bytes, padded with white space.
fn padded(email: &str, bytes: usize) -> String {
    let account = account(email);
    account.clone() + &" ".repeat(bytes - account.len())
}

#[tokio::test]
async fn the_body_must_be_declared_as_json() {
    let app = TestApp::start().await;
    for wrong in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/json"),
        Some("application/jsonx"),
        Some("json"),
        Some("application/x-www-form-urlencoded"),
        Some("application/problem+json"),
        Some("; application/json"),
        Some("application/json,application/json"),
    ] {
        let response = app.send(signup(wrong, account("ann@example.com"))).await;
        assert_eq!(status_and_code(&response), (415, "unsupported_media_type".to_owned()), "{wrong:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(app.table_contents(), BTreeMap::new(), "a refused signup stores nothing");
    for (number, good) in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        " application/json ",
    ]
    .iter()
    .enumerate()
    {
        let response = app.send(signup(Some(good), account(&format!("user{number}@example.com")))).await;
        assert_eq!(response.status, 200, "{good}: {}", response.body);
    }
}

#[tokio::test]
async fn a_signup_body_may_have_64_kib_and_no_byte_more() {
    let app = TestApp::start().await;
    let json = Some("application/json");
    for (number, request) in [
        signup(json, padded("ann@example.com", LIMIT + 1)),
        signup(json, padded("ann@example.com", LIMIT + 1)).base64(),
        signup(json, "x".repeat(LIMIT + 1)),
        signup(json, vec![0xff; LIMIT + 1]),
    ]
    .into_iter()
    .enumerate()
    {
        let response = app.send(request).await;
        assert_eq!(status_and_code(&response), (413, "payload_too_large".to_owned()), "{number}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(app.table_contents(), BTreeMap::new(), "a refused signup stores nothing");
    // The limit applies to the decoded body. Base64 makes this one a third longer.
    let encoded = app.send(signup(json, padded("ann@example.com", LIMIT)).base64()).await;
    assert_eq!(encoded.status, 200, "{}", encoded.body);
    let plain = app.send(signup(json, padded("bob@example.com", LIMIT))).await;
    assert_eq!(plain.status, 200, "{}", plain.body);
}

#[tokio::test]
async fn a_body_that_is_not_one_json_object_is_malformed() {
    let app = TestApp::start().await;
    let good = account("ann@example.com");
    let bodies: [Vec<u8>; 12] = [
        Vec::new(),
        b" ".to_vec(),
        b"null".to_vec(),
        format!("[{good}]").into(),
        format!("{good}{good}").into(),
        format!("{good},").into(),
        good.trim_end_matches('}').into(),
        good.replace("\"email\"", "'email'").into(),
        good.replace('{', "{\"email\":\"bob@example.com\",").into(),
        good.replace("ann@", "\\ud800@").into(),
        good.replace("\"a bag", "NaN,\"a bag").into(),
        [good.as_bytes(), b"\xff"].concat(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let response = app.send(signup(Some("application/json"), body)).await;
        assert_eq!(status_and_code(&response), (400, "malformed_json".to_owned()), "{shown}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(app.table_contents(), BTreeMap::new(), "a refused signup stores nothing");
}

#[tokio::test]
async fn errors_of_a_signup_take_precedence_in_order() {
    let app = TestApp::start().await;
    app.sign_up("ann@example.com").await;
    let before = app.table_contents();
    let json = Some("application/json");
    let weak = json!({"email": "ann@example.com", "password": "short"}).to_string();
    for (request, expected) in [
        (signup(None, "x".repeat(LIMIT + 1)), (415, "unsupported_media_type")),
        (signup(None, "not JSON"), (415, "unsupported_media_type")),
        (signup(None, account("ann@example.com")), (415, "unsupported_media_type")),
        (signup(json, "x".repeat(LIMIT + 1)), (413, "payload_too_large")),
        (signup(json, padded("ann@example.com", LIMIT + 1)), (413, "payload_too_large")),
        (signup(json, "not JSON"), (400, "malformed_json")),
        (signup(json, weak), (400, "validation_failed")),
        (signup(json, account("ann@example.com")), (409, "email_taken")),
    ] {
        let (status, code) = expected;
        assert_eq!(status_and_code(&app.send(request).await), (status, code.to_owned()));
        assert_eq!(app.table_contents(), before);
    }
}
