//! `GET /api/movies/{id}`.

use serde_json::json;

use crate::{
    expect::{expect_problem, response_snapshot},
    test_app::{MOVIES, TestApp, get, movie_path},
};

#[tokio::test]
async fn a_movie_is_shown_without_a_token() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let created = app.create_movie(&ann, "Alien").await;
    let path = movie_path(&created);
    let response = app.send(get(&path)).await;
    assert_eq!(response.json(), created);
    insta::assert_json_snapshot!(response_snapshot(&response), {
        ".headers.etag" => "[tag]",
        ".body.id" => "[id]",
        ".body.added_by" => "[user id]",
        ".body.created_at" => "[time]",
        ".body.updated_at" => "[time]",
    }, @r#"
    {
      "body": {
        "added_by": "[user id]",
        "casts": [
          "Tim Robbins",
          "Morgan Freeman"
        ],
        "created_at": "[time]",
        "genres": [
          "Drama"
        ],
        "id": "[id]",
        "name": "Alien",
        "updated_at": "[time]"
      },
      "headers": {
        "cache-control": "no-cache",
        "content-type": "application/json",
        "etag": "[tag]",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
    let refreshed = app.send(get(&path).bearer("not a token").query("unknown=1")).await;
    assert_eq!(refreshed.json(), created, "a token and a query are ignored");
}

#[tokio::test]
async fn an_unknown_movie_is_not_found() {
    let app = TestApp::start().await;
    let response = app.send(get("/api/movies/019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7")).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[request id]"}, @r#"
    {
      "body": {
        "code": "movie_not_found",
        "detail": "There is no movie with this id",
        "error": "There is no movie with this id",
        "request_id": "[request id]",
        "status": 404,
        "title": "Not Found"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 404
    }
    "#);
}

/// A corrupt movie is a 500: the response shows nothing of it, and the log names it.
#[tokio::test]
async fn a_corrupt_movie_is_500_and_the_log_names_it() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let created = app.create_movie(&ann, "Alien").await;
    let id = created["id"].as_str().expect("an id");
    app.edit_item(MOVIES, &format!("movie#{id}"), |item| item["casts"] = json!({"S": "nobody"}));
    let response = app.send(get(&format!("/api/movies/{id}"))).await;
    expect_problem(&response, 500, "internal");
    app.wait_for_log(&format!("movie#{id}")).await;
}
