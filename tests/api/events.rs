//! The events in `events/`, for `cargo lambda invoke`, work.

use local::gateway::HttpResponse;
use serde_json::{Value, json};

use crate::{
    contract,
    expect::{expect_problem, token},
    operations,
    test_app::{MOVIES, PASSWORD, TestApp, TestUser},
};

fn event(operation: &str) -> Value {
    let path = format!("events/{operation}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn handle(app: &TestApp, operation: &str, event: &Value) -> HttpResponse {
    let response = app.invoke(operation, event).await;
    contract::check(operation, &response);
    response
}

/// Returns the event with the token of this user.
fn with_token(operation: &str, user: &TestUser) -> Value {
    let mut event = event(operation);
    event["headers"]["authorization"] = json!(format!("Bearer {}", user.token));
    event
}

#[tokio::test]
async fn the_events_of_signup_and_login_have_the_same_user() {
    let app = TestApp::start().await;
    let (signup, login) = (event("signup"), event("login"));
    expect_problem(&handle(&app, "login", &login).await, 401, "invalid_credentials");
    assert_eq!(handle(&app, "signup", &signup).await.status, 200);
    expect_problem(&handle(&app, "signup", &signup).await, 409, "email_taken");
    assert_eq!(handle(&app, "login", &login).await.status, 200);
    // Every test checks that this password is in no response and no log.
    assert!(signup["body"].as_str().is_some_and(|body| body.contains(PASSWORD)));
}

#[tokio::test]
async fn events_of_protected_operations_need_a_token() {
    let app = TestApp::start().await;
    for operation in operations::with_token() {
        let operation = operation.name;
        let response = handle(&app, operation, &event(operation)).await;
        expect_problem(&response, 401, "invalid_token");
        let mut without = event(operation);
        without["headers"].as_object_mut().expect("headers").remove("authorization");
        expect_problem(&handle(&app, operation, &without).await, 401, "missing_token");
    }
    assert_eq!(app.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn the_events_of_accounts_work_in_order() {
    let app = TestApp::start().await;
    let mut alice = TestUser { email: "alice@example.com".to_owned(), ..app.create_user("somebody").await };
    assert_eq!(handle(&app, "signup", &event("signup")).await.status, 200);
    alice.token = token(&handle(&app, "login", &event("login")).await);
    let account = handle(&app, "get-account", &with_token("get-account", &alice)).await;
    assert_eq!((account.status, &account.json()["email"]), (200, &json!(alice.email)));
    let changed = handle(&app, "change-password", &with_token("change-password", &alice)).await;
    let again = handle(&app, "change-password", &with_token("change-password", &alice)).await;
    expect_problem(&again, 401, "invalid_token");
    expect_problem(&handle(&app, "login", &event("login")).await, 401, "invalid_credentials");
    alice.token = token(&changed);
    assert_eq!(handle(&app, "logout", &with_token("logout", &alice)).await.status, 200);
    expect_problem(&handle(&app, "logout", &with_token("logout", &alice)).await, 401, "invalid_token");
    let new = serde_json::from_str::<Value>(event("change-password")["body"].as_str().expect("a body"));
    let new = new.expect("JSON")["new_password"].as_str().expect("a password").to_owned();
    alice.token = token(&app.log_in(&alice.email, &new).await);
    assert_eq!(handle(&app, "delete-account", &with_token("delete-account", &alice)).await.status, 202);
    expect_problem(&app.get_account(&alice.token).await, 401, "invalid_token");
}

#[tokio::test]
async fn the_events_of_movies_work_once_their_movie_exists() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let list = handle(&app, "list-movies", &event("list-movies")).await;
    assert_eq!((list.status, list.json()), (200, json!([])));
    expect_problem(&handle(&app, "get-movie", &event("get-movie")).await, 404, "movie_not_found");
    for operation in ["update-movie", "delete-movie"] {
        let response = handle(&app, operation, &with_token(operation, &ann)).await;
        expect_problem(&response, 404, "movie_not_found");
    }

    let created = handle(&app, "create-movie", &with_token("create-movie", &ann)).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let named = event("get-movie")["pathParameters"]["id"].clone();
    let mut movie = created.json();
    give_id(&app, &movie, &named);
    movie["id"] = named;
    assert_eq!(handle(&app, "get-movie", &event("get-movie")).await.json(), movie);
    assert_eq!(handle(&app, "list-movies", &event("list-movies")).await.json(), json!([movie]));
    let updated = handle(&app, "update-movie", &with_token("update-movie", &ann)).await;
    assert_eq!((updated.status, &updated.json()["genres"]), (200, &json!(["Drama", "Crime"])));
    let deleted = handle(&app, "delete-movie", &with_token("delete-movie", &ann)).await;
    assert_eq!((deleted.status, deleted.json()), (200, json!({"id": movie["id"]})));
    assert_eq!(app.count(MOVIES, ""), 0);
}

/// Gives a movie the id that the events name.
fn give_id(app: &TestApp, movie: &Value, id: &Value) {
    let key = format!("movie#{}", movie["id"].as_str().expect("an id"));
    let mut item = app.item(MOVIES, &key).expect("the movie");
    app.delete_item(MOVIES, &key);
    item["pk"]["S"] = json!(format!("movie#{}", id.as_str().expect("an id")));
    item["id"]["S"] = id.clone();
    app.database.put_item(MOVIES, item).expect("the movie");
    let claim = app.items(MOVIES, "name#")[0]["pk"]["S"].as_str().expect("a key").to_owned();
    app.edit_item(MOVIES, &claim, |claim| claim["movie_id"]["S"] = id.clone());
}
