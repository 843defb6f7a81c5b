//! The token is read from the `authorization` header only.

use local::gateway::HttpRequest;
use serde_json::json;

use super::assert_refused;
use crate::test_app::{TestApp, delete, put};

#[tokio::test]
async fn a_token_is_read_only_from_the_authorization_header() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let id = app.create_movie(&ann, "Heat").await["id"].as_str().expect("an id").to_owned();
    let before = app.table_contents();
    let (path, token) = (format!("/api/movies/{id}"), ann.token.as_str());
    let request = || delete(&path);
    let bearer = format!("Bearer {token}");
    let elsewhere: [(&str, HttpRequest); 8] = [
        ("nowhere", request()),
        ("query token", request().query(format!("token={token}"))),
        ("query access_token", request().query(format!("access_token={token}"))),
        ("query authorization", request().query(format!("authorization=Bearer%20{token}"))),
        ("cookie", request().header("cookie", format!("token={token}; authorization={bearer}"))),
        (
            "another header",
            request().header("x-authorization", &bearer).header("proxy-authorization", &bearer),
        ),
        ("JSON body", request().json(&json!({"token": token, "access_token": token}))),
        (
            "form body",
            request()
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("access_token={token}")),
        ),
    ];
    for (place, request) in elsewhere {
        assert_refused(&app.send(request).await, "missing_token", place);
    }
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn a_missing_token_and_an_invalid_one_have_their_own_codes() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let id = app.create_movie(&ann, "Heat").await["id"].as_str().expect("an id").to_owned();
    let before = app.table_contents();
    let (path, token) = (format!("/api/movies/{id}"), ann.token.as_str());
    for value in [
        String::new(),
        " ".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Basic YW5uOnBhc3N3b3Jk".to_owned(),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("Bearer{token}"),
        format!("Bearer:{token}"),
        token.to_owned(),
    ] {
        let response = app.send(delete(&path).header("authorization", &value)).await;
        assert_refused(&response, "missing_token", &value);
    }
    for value in [
        "Bearer x".to_owned(),
        "Bearer ..".to_owned(),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},"),
        format!("Bearer ,{token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer token={token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token}é"),
    ] {
        let response = app.send(delete(&path).header("authorization", &value)).await;
        assert_refused(&response, "invalid_token", &value);
    }
    // A header value that HTTP does not allow counts as missing.
    for value in [format!("Bearer {token}\u{7f}"), format!("Bearer {token}\n")] {
        assert_refused(
            &app.send(delete(&path).header("authorization", &value)).await,
            "missing_token",
            &value,
        );
    }
    // API Gateway joins repeated headers with a comma.
    let twice = delete(&path).bearer(token).bearer(token);
    assert_refused(&app.send(twice).await, "invalid_token", "the same token twice");
    let twice = delete(&path).bearer(token).bearer("another");
    assert_refused(&app.send(twice).await, "invalid_token", "two tokens");
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn the_scheme_may_be_written_in_any_case() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let id = app.create_movie(&ann, "Heat").await["id"].as_str().expect("an id").to_owned();
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER", "Bearer  "] {
        let request = put(&format!("/api/movies/{id}"), &json!({"genres": ["Crime"]}));
        let response = app.send(request.header("Authorization", format!("{scheme} {}", ann.token))).await;
        assert_eq!(response.status, 200, "{scheme}: {}", response.body);
    }
}
