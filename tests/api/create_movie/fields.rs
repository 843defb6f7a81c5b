//! The rules of `name`, `casts` and `genres`, at their bounds and one beyond.

use serde_json::{Value, json};

use crate::{
    expect::{expect_faults, expect_problem, response_snapshot},
    test_app::{MOVIES, TestApp, movie, post},
};

/// Returns a movie with another value of one field.
fn with(field: &str, value: Value) -> Value {
    let mut body = movie("Alien");
    body[field] = value;
    body
}

fn texts(count: usize, text: &str) -> Value {
    json!(vec![text; count])
}

#[tokio::test]
async fn values_at_their_bounds_are_taken() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let cases = [
        with("name", json!("a")),
        with("name", json!("🎬".repeat(200))),
        with("name", json!(format!("  {}  ", "b".repeat(200)))),
        json!({"name": "casts 100", "casts": texts(100, "Ripley"), "genres": ["Drama"]}),
        json!({"name": "casts 1", "casts": ["X"], "genres": ["Drama"]}),
        json!({"name": "casts long", "casts": texts(10, &"🎬".repeat(100)), "genres": ["Drama"]}),
        json!({"name": "casts 4096", "casts": texts(64, &"é".repeat(32)), "genres": ["Drama"]}),
        json!({"name": "genres 20", "casts": ["X"], "genres": texts(20, "Drama")}),
        json!({"name": "genres long", "casts": ["X"], "genres": texts(5, &"🎬".repeat(50))}),
        json!({"name": "genres 1024", "casts": ["X"], "genres": texts(16, &"é".repeat(32))}),
        json!({"name": "\u{200f}שלום\u{200f}", "casts": ["a\u{200b}b"], "genres": ["e\u{301}"]}),
        json!({"name": "trimmed", "casts": [format!(" {} ", "c".repeat(100))], "genres": [format!(" {} ", "d".repeat(50))]}),
        json!({"name": r#"<b>"quotes" & \back\slashes</b>"#, "casts": ["\"\\/"], "genres": ["\u{2028}é"]}),
    ];
    for body in &cases {
        let response = app.send(post("/api/movies", body).bearer(&ann.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
        let created = response.json();
        for field in ["name", "casts", "genres"] {
            assert_eq!(created[field], trimmed(&body[field]), "{field}");
        }
    }
    assert_eq!((app.count(MOVIES, "movie#"), app.count(MOVIES, "name#")), (cases.len(), cases.len()));
}

fn trimmed(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(text.trim()),
        Value::Array(items) => items.iter().map(trimmed).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn values_beyond_their_bounds_are_refused() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let control = "must not contain control characters";
    let direction = "must not contain bidirectional formatting characters";
    let invisible = "must contain a visible character";
    for (field, value, fault) in [
        ("name", json!(""), ("name", "must not be empty")),
        ("name", json!(" \u{a0}\u{2003} "), ("name", "must not be empty")),
        ("name", json!("a".repeat(201)), ("name", "must have at most 200 characters")),
        ("name", json!("🎬".repeat(201)), ("name", "must have at most 200 characters")),
        ("name", json!("a\0b"), ("name", control)),
        ("name", json!("a\nb"), ("name", control)),
        ("name", json!("a\u{85}b"), ("name", control)),
        ("name", json!("a\u{202e}b"), ("name", direction)),
        ("name", json!("\u{2066}a\u{2069}"), ("name", direction)),
        ("name", json!(7), ("name", "must be a string")),
        ("name", json!(null), ("name", "must be a string")),
        ("name", json!(["Alien"]), ("name", "must be a string")),
        ("name", json!({"text": "Alien"}), ("name", "must be a string")),
        ("casts", json!([]), ("casts", "must have 1 to 100 items")),
        ("casts", texts(101, "Ripley"), ("casts", "must have 1 to 100 items")),
        ("casts", json!("Ripley"), ("casts", "must be an array of strings")),
        ("casts", json!(null), ("casts", "must be an array of strings")),
        ("casts", json!({"0": "Ripley"}), ("casts", "must be an array of strings")),
        ("casts", json!(["a", "b", ""]), ("casts[2]", "must not be empty")),
        ("casts", json!(["a", "\u{3000}"]), ("casts[1]", "must not be empty")),
        ("casts", json!(["é".repeat(101)]), ("casts[0]", "must have at most 100 characters")),
        ("casts", json!(["a\tb"]), ("casts[0]", control)),
        ("casts", json!(["a", 1]), ("casts[1]", "must be a string")),
        ("casts", json!([null]), ("casts[0]", "must be a string")),
        ("casts", json!([["a"]]), ("casts[0]", "must be a string")),
        ("casts", json!(["a", "\u{200b}"]), ("casts[1]", invisible)),
        ("casts", json!(["\u{ad}\u{200d} \u{2060}"]), ("casts[0]", invisible)),
        ("casts", json!(["a\u{202d}b"]), ("casts[0]", direction)),
        ("casts", texts(65, &"é".repeat(32)), ("casts", "must have at most 4096 bytes of UTF-8 in total")),
        ("casts", texts(41, &"a".repeat(100)), ("casts", "must have at most 4096 bytes of UTF-8 in total")),
        ("genres", json!([]), ("genres", "must have 1 to 20 items")),
        ("genres", json!(["\u{fe0f}"]), ("genres[0]", invisible)),
        ("genres", texts(17, &"é".repeat(32)), ("genres", "must have at most 1024 bytes of UTF-8 in total")),
        ("genres", texts(21, "Drama"), ("genres", "must have 1 to 20 items")),
        ("genres", json!(true), ("genres", "must be an array of strings")),
        ("genres", json!(["Drama", "é".repeat(51)]), ("genres[1]", "must have at most 50 characters")),
        ("genres", json!(["\u{7f}"]), ("genres[0]", control)),
    ] {
        let response = app.send(post("/api/movies", &with(field, value.clone())).bearer(&ann.token)).await;
        expect_faults(&response, &[fault]);
        assert_eq!(app.table_contents(), before, "{field}: {value}");
    }
}

#[tokio::test]
async fn every_field_is_required() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    for field in ["name", "casts", "genres"] {
        let mut body = movie("Alien");
        body.as_object_mut().expect("an object").remove(field);
        let response = app.send(post("/api/movies", &body).bearer(&ann.token)).await;
        expect_faults(&response, &[(field, "is required")]);
    }
    assert_eq!(app.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn fields_that_the_server_sets_cannot_be_sent() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let before = app.table_contents();
    for (field, value) in [
        ("id", json!("019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7")),
        ("added_by", json!(bob.id)),
        ("created_at", json!("2020-01-01T00:00:00.000Z")),
        ("updated_at", json!("2020-01-01T00:00:00.000Z")),
        ("catalog", json!("hidden")),
        ("name_key", json!("b")),
        ("pk", json!("user#1")),
        ("movie_count", json!(0)),
        ("Name", json!("Alien")),
        ("name ", json!("Alien")),
        ("", json!(1)),
        ("__proto__", json!({"name": "Alien"})),
    ] {
        let response = app.send(post("/api/movies", &with(field, value)).bearer(&ann.token)).await;
        expect_faults(&response, &[(field, "is not a known field")]);
        assert_eq!(app.table_contents(), before, "{field}");
    }
}

#[tokio::test]
async fn all_faults_of_a_movie_are_reported_at_once() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let body = json!({
        "id": 1, "added_by": "me", "name": " ",
        "casts": ["ok", 7, "", "a\u{1}", "é".repeat(101)], "genres": texts(21, "Drama"),
    });
    let response = app.send(post("/api/movies", &body).bearer(&ann.token)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[request id]"}, @r#"
    {
      "body": {
        "code": "validation_failed",
        "detail": "Some fields are not valid",
        "error": "Some fields are not valid",
        "errors": [
          {
            "field": "name",
            "message": "must not be empty"
          },
          {
            "field": "casts[1]",
            "message": "must be a string"
          },
          {
            "field": "casts[2]",
            "message": "must not be empty"
          },
          {
            "field": "casts[3]",
            "message": "must not contain control characters"
          },
          {
            "field": "casts[4]",
            "message": "must have at most 100 characters"
          },
          {
            "field": "genres",
            "message": "must have 1 to 20 items"
          },
          {
            "field": "added_by",
            "message": "is not a known field"
          },
          {
            "field": "id",
            "message": "is not a known field"
          }
        ],
        "request_id": "[request id]",
        "status": 400,
        "title": "Bad Request"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 400
    }
    "#);
    assert_eq!(app.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let taken = app.create_movie(&ann, "Alien").await;
    let response = app.send(post("/api/movies", &movie("alien")).bearer(&ann.token)).await;
    expect_problem(&response, 409, "movie_name_taken");
    assert_eq!(response.json()["movie_id"], taken["id"]);
    insta::assert_json_snapshot!(response_snapshot(&response), {
        ".body.movie_id" => "[movie id]",
        ".body.request_id" => "[request id]",
    }, @r#"
    {
      "body": {
        "code": "movie_name_taken",
        "detail": "A movie with this name already exists",
        "error": "A movie with this name already exists",
        "movie_id": "[movie id]",
        "request_id": "[request id]",
        "status": 409,
        "title": "Conflict"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 409
    }
    "#);
    // Faulty fields are reported before a taken name.
    let response = app.send(post("/api/movies", &with("casts", json!([]))).bearer(&ann.token)).await;
    expect_faults(&response, &[("casts", "must have 1 to 100 items")]);
}
