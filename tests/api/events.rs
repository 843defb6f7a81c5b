//! `events/<operation>.json`: what `cargo lambda invoke` is given really works.

use local::gateway::HttpResponse;
use serde_json::{Value, json};

use crate::{
    bag::{Bag, MOVIES, PASSWORD, Person},
    contract,
    expect::expect_problem,
};

fn event(operation: &str) -> Value {
    let path = format!("events/{operation}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn handle(bag: &Bag, operation: &str, event: &Value) -> HttpResponse {
    let response = bag.invoke(operation, event).await;
    contract::check(operation, &response);
    response
}

/// The event as this person would have sent it.
fn with_token(operation: &str, person: &Person) -> Value {
    let mut event = event(operation);
    event["headers"]["authorization"] = json!(format!("Bearer {}", person.token));
    event
}

#[tokio::test]
async fn the_events_of_signing_up_and_logging_in_belong_together() {
    let bag = Bag::start().await;
    let (signup, login) = (event("signup"), event("login"));
    expect_problem(&handle(&bag, "login", &login).await, 401, "invalid_credentials");
    assert_eq!(handle(&bag, "signup", &signup).await.status, 200);
    expect_problem(&handle(&bag, "signup", &signup).await, 409, "email_taken");
    assert_eq!(handle(&bag, "login", &login).await.status, 200);
    // The password that every test must not find in a response or a log.
    assert!(signup["body"].as_str().is_some_and(|body| body.contains(PASSWORD)));
}

#[tokio::test]
async fn the_events_that_need_a_token_ask_for_one() {
    let bag = Bag::start().await;
    for operation in [
        "create-movie",
        "update-movie",
        "delete-movie",
        "get-account",
        "change-password",
        "logout",
        "delete-account",
    ] {
        let response = handle(&bag, operation, &event(operation)).await;
        expect_problem(&response, 401, "invalid_token");
        let mut without = event(operation);
        without["headers"].as_object_mut().expect("headers").remove("authorization");
        expect_problem(&handle(&bag, operation, &without).await, 401, "missing_token");
    }
    assert_eq!(bag.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn the_events_of_accounts_tell_a_story() {
    let bag = Bag::start().await;
    let mut alice = Person { email: "alice@example.com".to_owned(), ..bag.person("somebody").await };
    assert_eq!(handle(&bag, "signup", &event("signup")).await.status, 200);
    alice.token = token(&handle(&bag, "login", &event("login")).await);
    let account = handle(&bag, "get-account", &with_token("get-account", &alice)).await;
    assert_eq!((account.status, &account.json()["email"]), (200, &json!(alice.email)));
    let changed = handle(&bag, "change-password", &with_token("change-password", &alice)).await;
    let again = handle(&bag, "change-password", &with_token("change-password", &alice)).await;
    expect_problem(&again, 401, "invalid_token");
    expect_problem(&handle(&bag, "login", &event("login")).await, 401, "invalid_credentials");
    alice.token = token(&changed);
    assert_eq!(handle(&bag, "logout", &with_token("logout", &alice)).await.status, 200);
    expect_problem(&handle(&bag, "logout", &with_token("logout", &alice)).await, 401, "invalid_token");
    let new = serde_json::from_str::<Value>(event("change-password")["body"].as_str().expect("a body"));
    let new = new.expect("JSON")["new_password"].as_str().expect("a password").to_owned();
    alice.token = token(&bag.log_in(&alice.email, &new).await);
    assert_eq!(handle(&bag, "delete-account", &with_token("delete-account", &alice)).await.status, 202);
    expect_problem(&bag.account(&alice.token).await, 401, "invalid_token");
}

fn token(response: &HttpResponse) -> String {
    response.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {}", response.body)).to_owned()
}

#[tokio::test]
async fn the_events_of_movies_work_once_there_is_what_they_name() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let list = handle(&bag, "list-movies", &event("list-movies")).await;
    assert_eq!((list.status, list.json()), (200, json!([])));
    expect_problem(&handle(&bag, "get-movie", &event("get-movie")).await, 404, "movie_not_found");
    for operation in ["update-movie", "delete-movie"] {
        let response = handle(&bag, operation, &with_token(operation, &ann)).await;
        expect_problem(&response, 404, "movie_not_found");
    }

    let created = handle(&bag, "create-movie", &with_token("create-movie", &ann)).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let named = event("get-movie")["pathParameters"]["id"].clone();
    let mut movie = created.json();
    give_id(&bag, &movie, &named);
    movie["id"] = named;
    assert_eq!(handle(&bag, "get-movie", &event("get-movie")).await.json(), movie);
    assert_eq!(handle(&bag, "list-movies", &event("list-movies")).await.json(), json!([movie]));
    let updated = handle(&bag, "update-movie", &with_token("update-movie", &ann)).await;
    assert_eq!((updated.status, &updated.json()["genres"]), (200, &json!(["Drama", "Crime"])));
    let deleted = handle(&bag, "delete-movie", &with_token("delete-movie", &ann)).await;
    assert_eq!((deleted.status, deleted.json()), (200, json!({"id": movie["id"]})));
    assert_eq!(bag.count(MOVIES, ""), 0);
}

/// Makes a movie the one that the events name.
fn give_id(bag: &Bag, movie: &Value, id: &Value) {
    let key = format!("movie#{}", movie["id"].as_str().expect("an id"));
    let mut item = bag.item(MOVIES, &key).expect("the movie");
    bag.remove(MOVIES, &key);
    item["pk"]["S"] = json!(format!("movie#{}", id.as_str().expect("an id")));
    item["id"]["S"] = id.clone();
    bag.database.put_item(MOVIES, item).expect("the movie");
    let claim = bag.items(MOVIES, "name#")[0]["pk"]["S"].as_str().expect("a key").to_owned();
    bag.edit(MOVIES, &claim, |claim| claim["movie_id"]["S"] = id.clone());
}
