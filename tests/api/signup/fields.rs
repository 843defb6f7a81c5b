//! The rules of emails and passwords.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::sign_up_with;
use crate::{
    contract,
    expect::status_and_code,
    test_app::{PASSWORD, TestApp},
};

/// Asserts that each of these values is refused for this one field with this message, and that no user is created.
async fn refused(field: &str, cases: &[(Value, &str)]) {
    let app = TestApp::start().await;
    for (value, message) in cases {
        let mut body = json!({"email": "Moviefan.1999@example.com", "password": PASSWORD});
        body[field] = value.clone();
        let response = sign_up_with(&app, &body).await;
        assert_eq!(status_and_code(&response), (400, "validation_failed".to_owned()), "{value}");
        assert_eq!(response.json()["errors"], json!([{"field": field, "message": message}]), "{value}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(app.table_contents(), BTreeMap::new(), "a refused signup stores nothing");
}

/// Asserts that each of these passwords can be set and then works.
async fn accepted(passwords: &[String]) -> TestApp {
    let app = TestApp::start().await;
    for (number, password) in passwords.iter().enumerate() {
        let email = format!("user{number}@example.com");
        let response = sign_up_with(&app, &json!({"email": email, "password": password})).await;
        assert_eq!(response.status, 200, "{password:?}: {}", response.body);
        assert_eq!(app.log_in(&email, password).await.status, 200, "{password:?}");
    }
    app
}

#[tokio::test]
async fn a_password_that_is_too_short_or_too_long_is_refused() {
    let (short, long) = ("must have at least 8 characters", "must have at most 72 bytes");
    refused(
        "password",
        &[
            (json!(""), short),
            (json!("a2345f7"), short),
            (json!("ééé1"), short),
            (json!("😀😀"), short),
            (json!("é2345f7"), short),
            (json!("x".repeat(73)), long),
            (json!("é".repeat(37)), long),
            (json!(format!("{}😀", "x".repeat(69))), long),
            (json!("x".repeat(10_000)), long),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_password_of_8_characters_to_72_bytes_is_accepted() {
    let app = accepted(&[
        "a2345f78".to_owned(),
        "éééééééé".to_owned(),
        "😀".repeat(8),
        "x".repeat(72),
        "é".repeat(36),
        format!("{}😀", "x".repeat(68)),
        "correct horse battery staple".to_owned(),
        "\u{1}\t\r\n\u{7f}\u{200b}\"\\".to_owned(),
    ])
    .await;
    // All 72 bytes are compared.
    for wrong in ["x".repeat(71), "x".repeat(73), format!("{}y", "x".repeat(71))] {
        assert_eq!(app.log_in("user3@example.com", &wrong).await.status, 401);
    }
}

#[tokio::test]
async fn a_password_is_neither_trimmed_nor_normalized() {
    let app = accepted(&["  spaced  ".to_owned(), "       x".to_owned(), "caf\u{e9} noir".to_owned()]).await;
    for (email, wrong) in [
        ("user0@example.com", "spaced"),
        ("user0@example.com", "  spaced"),
        ("user1@example.com", "x"),
        ("user2@example.com", "cafe\u{301} noir"),
        ("user2@example.com", "CAF\u{c9} NOIR"),
    ] {
        assert_eq!(
            status_and_code(&app.log_in(email, wrong).await),
            (401, "invalid_credentials".to_owned()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn an_unusable_or_well_known_password_is_refused() {
    let (nul, common) = ("must not contain a NUL character", "is one of the most common passwords");
    let own_name = "must not be the name part of the email";
    let context = "must not be a variation of the name of this service";
    refused(
        "password",
        &[
            (json!("abcdefg\0abcdefg"), nul),
            (json!("\0abcdefgh"), nul),
            (json!("abcdefgh\0"), nul),
            (json!("password1"), common),
            (json!("PASSWORD1"), common),
            (json!("PassWord1"), common),
            (json!("12345678"), common),
            (json!("qwertyuiop"), common),
            (json!("QWERTYuiop"), common),
            (json!("Moviefan.1999"), own_name),
            (json!("moviefan.1999"), own_name),
            (json!("MOVIEFAN.1999"), own_name),
            (json!("moviebag"), context),
            (json!("Movie-Bag 2026!"), context),
            (json!("movies + api = bag"), context),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_field_of_another_type_is_refused() {
    let wrong = [json!(null), json!(12_345_678), json!(true), json!(["ann@example.com"]), json!({"a": "b"})];
    for field in ["email", "password"] {
        let cases: Vec<(Value, &str)> =
            wrong.iter().map(|value| (value.clone(), "must be a string")).collect();
        refused(field, &cases).await;
    }
}

#[tokio::test]
async fn an_email_that_is_not_one_plain_mailbox_is_refused() {
    let domain = format!("{}.{}.{}.example", "a".repeat(60), "b".repeat(60), "c".repeat(60));
    let too_long = format!("{}@{domain}", "l".repeat(254 - domain.len()));
    assert_eq!(too_long.len(), 255);
    let shape = "must be one email address, such as ann@example.com";
    let shapes = [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@example.com.",
        "ann@-example.com",
        "ann@exam_ple.com",
        ".ann@example.com",
        "an..n@example.com",
        "ann smith@example.com",
        " ann@example.com",
        "ann@example.com ",
        "ann@example.com\n",
        "Ann <ann@example.com>",
        "<ann@example.com>",
        "ann(comment)@example.com",
        "\"ann\"@example.com",
        "ann@[192.0.2.1]",
        "ann@example.com,bob@example.com",
        "ann@@example.com",
        "änn@example.com",
        "ann@exämple.com",
        "ann\0@example.com",
        "mailto:",
    ];
    let mut cases: Vec<(Value, &str)> = shapes.iter().map(|email| (json!(email), shape)).collect();
    cases.push((json!(too_long), "must have at most 254 characters"));
    cases.push((json!("x".repeat(20_000)), "must have at most 254 characters"));
    for (email, _) in &cases {
        assert!(!contract::allows("Email", email), "openapi.yaml allows {email}");
    }
    refused("email", &cases).await;
}

#[tokio::test]
async fn an_email_of_one_plain_mailbox_is_accepted() {
    let app = TestApp::start().await;
    let domain = format!("{}.{}.{}.example", "a".repeat(60), "b".repeat(60), "c".repeat(60));
    let longest = format!("{}@{domain}", "l".repeat(253 - domain.len()));
    assert_eq!(longest.len(), 254);
    for email in
        ["Ann.Smith+films@mail.example.co.uk", "o'neil@example.com", "a@b.co", "x_y-z@1example.com", &longest]
    {
        assert!(contract::allows("Email", &json!(email)), "openapi.yaml refuses {email}");
        assert_eq!(app.sign_up(email).await.status, 200, "{email}");
    }
}

#[tokio::test]
async fn all_faulty_fields_are_reported_at_once() {
    let app = TestApp::start().await;
    let response =
        sign_up_with(&app, &json!({"password": "short", "email": 7, "zeta": null, "id": "x"})).await;
    insta::assert_json_snapshot!(response.json(), {".request_id" => "[id]"}, @r#"
    {
      "code": "validation_failed",
      "detail": "Some fields are not valid",
      "error": "Some fields are not valid",
      "errors": [
        {
          "field": "email",
          "message": "must be a string"
        },
        {
          "field": "password",
          "message": "must have at least 8 characters"
        },
        {
          "field": "id",
          "message": "is not a known field"
        },
        {
          "field": "zeta",
          "message": "is not a known field"
        }
      ],
      "request_id": "[id]",
      "status": 400,
      "title": "Bad Request"
    }
    "#);
    let response = sign_up_with(&app, &json!({})).await;
    let expected = json!([
        {"field": "email", "message": "is required"}, {"field": "password", "message": "is required"},
    ]);
    assert_eq!(response.json()["errors"], expected);
    assert_eq!(app.table_contents(), BTreeMap::new(), "a refused signup stores nothing");
}
