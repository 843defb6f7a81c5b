//! `POST /api/movies`.

mod fields;
mod limit;
mod names;

use serde_json::json;

use crate::{
    expect::{expect_problem, response_snapshot},
    test_app::{MOVIES, TestApp, USERS, delete, get, movie, movie_path, post, stored_version},
};

#[tokio::test]
async fn a_new_movie_is_returned_and_stored_completely() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let body = json!({
        "name": "  Ame\u{301}lie  from Montmartre ",
        "casts": [" Audrey Tautou ", "Audrey Tautou"],
        "genres": ["Comedy", "\u{a0}Romance\u{2003}"],
    });
    let response = app.send(post("/api/movies", &body).bearer(&ann.token)).await;

    insta::assert_json_snapshot!(response_snapshot(&response), {
        ".headers.etag" => "[tag]",
        ".headers.location" => "[location]",
        ".body.id" => "[id]",
        ".body.added_by" => "[user id]",
        ".body.created_at" => "[time]",
        ".body.updated_at" => "[time]",
    }, @r#"
    {
      "body": {
        "added_by": "[user id]",
        "casts": [
          "Audrey Tautou",
          "Audrey Tautou"
        ],
        "created_at": "[time]",
        "genres": [
          "Comedy",
          "Romance"
        ],
        "id": "[id]",
        "name": "Amélie  from Montmartre",
        "updated_at": "[time]"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "etag": "[tag]",
        "location": "[location]",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
    let created = response.json();
    let id = created["id"].as_str().expect("an id");
    assert_eq!(response.header("location"), Some(format!("/api/movies/{id}").as_str()));
    assert_eq!(created["added_by"], ann.id);
    assert_eq!(created["created_at"], created["updated_at"]);

    let stored = json!({
        "pk": {"S": format!("movie#{id}")},
        "id": {"S": id},
        "name": {"S": "Amélie  from Montmartre"},
        "name_key": {"S": "amélie from montmartre"},
        "casts": {"L": [{"S": "Audrey Tautou"}, {"S": "Audrey Tautou"}]},
        "genres": {"L": [{"S": "Comedy"}, {"S": "Romance"}]},
        "added_by": {"S": ann.id},
        "created_at": {"S": created["created_at"]},
        "updated_at": {"S": created["updated_at"]},
        "version": {"B": stored_version(&response)},
        "catalog": {"S": "movies"},
    });
    let claim = json!({"pk": {"S": "name#amélie from montmartre"}, "movie_id": {"S": id}});
    assert_eq!(app.items(MOVIES, ""), [stored, claim]);
    assert_eq!(app.item(USERS, &format!("user#{}", ann.id)).expect("ann")["movie_count"]["N"], "1");
}

#[tokio::test]
async fn the_location_works_at_once_and_the_list_shows_the_movie() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let response = app.send(post("/api/movies", &movie("Alien")).bearer(&ann.token)).await;
    let location = response.header("location").expect("a location");
    assert_eq!(app.send(get(location)).await.json(), response.json());
    assert_eq!(app.send(get("/api/movies")).await.json(), json!([response.json()]));
}

#[tokio::test]
async fn a_users_movies_are_counted() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let count =
        |id: &str| app.item(USERS, &format!("user#{id}")).expect("a user")["movie_count"]["N"].clone();
    let first = app.create_movie(&ann, "Alien").await;
    app.create_movie(&ann, "Aliens").await;
    app.create_movie(&bob, "Alien 3").await;
    assert_eq!((count(&ann.id), count(&bob.id)), (json!("2"), json!("1")));
    let path = movie_path(&first);
    assert_eq!(app.send(delete(&path).bearer(&ann.token)).await.status, 200);
    assert_eq!((count(&ann.id), count(&bob.id)), (json!("1"), json!("1")));
}

#[tokio::test]
async fn creating_a_movie_needs_a_token() {
    let app = TestApp::start().await;
    let response = app.send(post("/api/movies", &movie("Alien"))).await;
    expect_problem(&response, 401, "missing_token");
    assert_eq!(app.count(MOVIES, ""), 0);
}

/// The token was valid when it was checked. The condition of the write must fail.
#[tokio::test]
async fn an_account_deleted_before_the_write_adds_nothing() {
    let app = TestApp::start().await;
    let create = |token: &str, name: &str| post("/api/movies", &movie(name)).bearer(token);

    let ann = app.create_user("ann").await;
    let key = format!("user#{}", ann.id);
    let response = app
        .send_interrupted(create(&ann.token, "Alien"), "TransactWriteItems", || {
            app.edit_item(USERS, &key, |user| user["status"]["S"] = json!("deleting"));
        })
        .await;
    expect_problem(&response, 401, "invalid_token");
    assert_eq!(app.count(MOVIES, ""), 0);
    assert_eq!(app.item(USERS, &key).expect("ann")["movie_count"]["N"], "0");

    let bob = app.create_user("bob").await;
    let key = format!("user#{}", bob.id);
    let response = app
        .send_interrupted(create(&bob.token, "Alien"), "TransactWriteItems", || app.delete_item(USERS, &key))
        .await;
    expect_problem(&response, 401, "invalid_token");
    assert_eq!(app.count(MOVIES, ""), 0);
    assert_eq!(app.item(USERS, &key), None);
}

#[tokio::test]
async fn a_name_taken_before_the_write_keeps_its_owner() {
    let app = TestApp::start_with(2, &[]).await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let holder = "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";
    let claim = json!({"pk": {"S": "name#alien"}, "movie_id": {"S": holder}});
    let response = app
        .send_interrupted(
            post("/api/movies", &movie("Alien")).bearer(&ann.token),
            "TransactWriteItems",
            || app.database.put_item(MOVIES, claim.clone()).expect("an item"),
        )
        .await;
    expect_problem(&response, 409, "movie_name_taken");
    assert_eq!(response.json()["movie_id"], holder, "the response names the movie that has the name");
    assert_eq!(app.items(MOVIES, ""), [claim]);
    let response = app.send(post("/api/movies", &movie("ALIEN")).bearer(&bob.token)).await;
    expect_problem(&response, 409, "movie_name_taken");
}
