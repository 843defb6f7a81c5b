//! `POST /api/auth/signup`.

mod body;
mod fields;

use local::gateway::HttpResponse;
use serde_json::{Value, json};

use uuid::Uuid;

use crate::{
    expect::status_and_code,
    test_app::{MOVIES, PASSWORD, TestApp, USERS, post},
};

/// Signs up with any JSON body.
async fn sign_up_with(app: &TestApp, body: &Value) -> HttpResponse {
    app.send(post("/api/auth/signup", body)).await
}

#[tokio::test]
async fn a_new_user_is_stored_with_an_id_and_an_email_claim() {
    let app = TestApp::start().await;
    let response = app.sign_up("Ann@Example.com").await;
    assert_eq!(response.status, 200, "{}", response.body);
    insta::assert_json_snapshot!(response.json(), {".id" => "[id]"}, @r#"
    {
      "id": "[id]"
    }
    "#);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let id = response.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(Uuid::parse_str(&id).expect("a UUID").get_version_num(), 7);

    let (users, claims) = (app.items(USERS, "user#"), app.items(USERS, "email#"));
    insta::assert_json_snapshot!(users, {
        "[].id.S" => "[id]", "[].pk.S" => "[key]", "[].created_at.S" => "[time]", "[].password_hash.S" => "[hash]",
    }, @r#"
    [
      {
        "created_at": {
          "S": "[time]"
        },
        "email": {
          "S": "Ann@Example.com"
        },
        "email_key": {
          "S": "ann@example.com"
        },
        "id": {
          "S": "[id]"
        },
        "movie_count": {
          "N": "0"
        },
        "password_hash": {
          "S": "[hash]"
        },
        "pk": {
          "S": "[key]"
        },
        "session_epoch": {
          "N": "0"
        },
        "status": {
          "S": "active"
        }
      }
    ]
    "#);
    assert_eq!((&users[0]["id"]["S"], &users[0]["pk"]["S"]), (&json!(id), &json!(format!("user#{id}"))));
    assert_eq!(claims, [json!({"pk": {"S": "email#ann@example.com"}, "user_id": {"S": id}})]);
    assert_eq!(app.table_contents().len(), 2);
}

#[tokio::test]
async fn created_at_has_milliseconds_and_matches_the_id() {
    let app = TestApp::start().await;
    app.sign_up("ann@example.com").await;
    let user = app.items(USERS, "user#").remove(0);
    let created_at = user["created_at"]["S"].as_str().expect("a time");
    let time = shared::model::Timestamp::parse(created_at).expect("RFC 3339 with milliseconds");
    let id = Uuid::parse_str(user["id"]["S"].as_str().expect("an id")).expect("a UUID");
    let (seconds, nanoseconds) = id.get_timestamp().expect("UUIDv7 has a time").to_unix();
    let milliseconds = seconds.cast_signed() * 1000 + i64::from(nanoseconds / 1_000_000);
    assert!(milliseconds <= time.unix_milliseconds(), "{id} was made before {created_at}");
}

#[tokio::test]
async fn the_password_is_stored_as_a_salted_bcrypt_hash() {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "5")]).await;
    app.sign_up("ann@example.com").await;
    app.sign_up("bob@example.com").await;
    let hashes: Vec<String> = app
        .items(USERS, "user#")
        .iter()
        .map(|user| user["password_hash"]["S"].as_str().expect("a hash").to_owned())
        .collect();
    for hash in &hashes {
        assert_eq!((&hash[..7], hash.len()), ("$2b$05$", 60));
        let verify = |text: &str| bcrypt::verify(text, hash).expect("a hash");
        assert!(verify(PASSWORD), "the stored hash does not match the password");
        assert!(!verify(&PASSWORD.to_uppercase()), "the stored hash matches another password");
    }
    assert_ne!(hashes[0], hashes[1], "the same password has the same hash twice");
}

#[tokio::test]
async fn an_email_can_be_used_once_without_regard_to_case() {
    let app = TestApp::start().await;
    app.sign_up("Ann@Example.com").await;
    let before = app.table_contents();
    let response = app.sign_up("ann@example.com").await;
    insta::assert_json_snapshot!(response.json(), {".request_id" => "[id]"}, @r#"
    {
      "code": "email_taken",
      "detail": "A user with this email already exists",
      "error": "A user with this email already exists",
      "request_id": "[id]",
      "status": 409,
      "title": "Conflict"
    }
    "#);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    for same in ["Ann@Example.com", "ann@example.com", "ANN@EXAMPLE.COM", "ann@EXAMPLE.com"] {
        assert_eq!(status_and_code(&app.sign_up(same).await), (409, "email_taken".to_owned()), "{same}");
        assert_eq!(app.table_contents(), before);
    }
    for other in ["ann1@example.com", "ann@example.org"] {
        assert_eq!(app.sign_up(other).await.status, 200, "{other}");
    }
}

#[tokio::test]
async fn only_email_and_password_can_be_set() {
    let app = TestApp::start().await;
    for name in [
        "id",
        "pk",
        "status",
        "session_epoch",
        "movie_count",
        "password_hash",
        "created_at",
        "user_id",
        "expires_at",
        "Email",
        "",
        "__proto__",
    ] {
        let response =
            sign_up_with(&app, &json!({"email": "ann@example.com", "password": PASSWORD, name: "deleting"}))
                .await;
        assert_eq!(status_and_code(&response), (400, "validation_failed".to_owned()), "{name}");
        let expected = json!([{"field": name, "message": "is not a known field"}]);
        assert_eq!(response.json()["errors"], expected);
    }
    assert_eq!((app.count(USERS, ""), app.count(MOVIES, "")), (0, 0));
}
