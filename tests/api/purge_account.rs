//! `purge-account`: deletes a user with their movies, and nothing else, despite any failure.

mod faults;
mod index;
mod large;
mod listing;
mod races;
mod records;
mod same_email;
mod schedule;
mod stuck;
mod telemetry;
mod time;

use std::time::Duration;

use local::{runtime_api::Outcome, streams::StreamReader};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    consistency::assert_consistent,
    expect::expect_problem,
    test_app::{ACCOUNT_DELETIONS, MOVIES, PASSWORD, TestApp, TestUser, USERS, delete, movie, post},
};

const PURGE: &str = "purge-account";
/// The number of deliveries that the event source mapping of the template allows.
const DELIVERIES: usize = 6;

#[tokio::test]
async fn a_purge_deletes_the_account_and_nothing_of_others() {
    let app = TestApp::start().await;
    let bob = app.create_user("bob").await;
    for name in ["Heat", "Ronin"] {
        app.create_movie(&bob, name).await;
    }
    let before = app.table_contents();
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 60).await;
    for name in ["Alien", "ＡＬＩＥＮＳ", "Straße"] {
        app.create_movie(&ann, name).await;
    }
    let record = request_deletion(&app, &ann).await;
    assert_eq!(record["eventName"], "INSERT");
    assert_consistent(&app);

    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(app.table_contents(), before, "nothing of Ann is left in the tables");
    assert_gone(&app, &ann);
    assert_consistent(&app);
    app.wait_for_log(&format!("\"account_deletion_progress\" user_id={} movies=49 finished=false", ann.id))
        .await;
    app.wait_for_log(&format!("\"account_deletion_progress\" user_id={} movies=0 finished=true", ann.id))
        .await;

    // The names and the email are free again.
    app.create_movie(&bob, "aliens").await;
    app.create_movie(&bob, "STRASSE").await;
    let again = app.create_user("ann").await;
    assert_ne!(again.id, ann.id);
    assert_consistent(&app);
}

#[tokio::test]
async fn movies_stay_until_the_purge_but_no_token_works() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "Heat").await;
    request_deletion(&app, &ann).await;
    let before = app.table_contents();
    expect_problem(
        &app.send(post("/api/movies", &movie("Ronin")).bearer(&ann.token)).await,
        401,
        "invalid_token",
    );
    expect_problem(&app.log_in(&ann.email, PASSWORD).await, 401, "invalid_credentials");
    expect_problem(&app.sign_up(&ann.email).await, 409, "email_taken");
    expect_problem(&app.send(delete("/api/auth/account").bearer(&ann.token)).await, 401, "invalid_token");
    assert_eq!(app.table_contents(), before);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_purge_makes_the_documented_requests() {
    let app = TestApp::start().await;
    let movies = |number: usize| {
        let transaction = format!("TransactWriteItems {}", 2 * number + 1);
        ["Query MoviesTable/owner".to_owned(), "BatchGetItem MoviesTable".to_owned(), transaction]
    };
    let user = ["GetItem UsersTable".to_owned(), "TransactWriteItems 3".to_owned()];
    // A full page of an index may be followed by another one.
    let empty = vec!["Query MoviesTable/owner".to_owned()];
    for (number, expected) in [
        (0, empty.clone()),
        (1, movies(1).to_vec()),
        (49, [movies(49).to_vec(), empty.clone()].concat()),
        (120, [movies(49), movies(49), movies(22)].concat()),
    ] {
        let ann = app.create_user(&format!("ann{number}")).await;
        create_movies(&app, &ann, number).await;
        let record = request_deletion(&app, &ann).await;
        app.proxy.clear_calls();
        assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
        let start = vec!["GetItem AccountDeletionsTable".to_owned()];
        assert_eq!(requests(&app), [start, expected, user.to_vec()].concat(), "{number} movies");
        assert_gone(&app, &ann);
    }
    assert_consistent(&app);
}

fn account_deletions(app: &TestApp) -> Vec<Value> {
    app.database.items(ACCOUNT_DELETIONS).expect("items")
}

fn account_deletion(app: &TestApp, user: &TestUser) -> Option<Value> {
    account_deletions(app).into_iter().find(|account_deletion| account_deletion["user_id"]["S"] == user.id)
}

/// Panics if an item still contains the id or the email of a user.
fn assert_gone(app: &TestApp, user: &TestUser) {
    for (key, item) in app.table_contents() {
        let text = format!("{key} {item}");
        assert!(!text.contains(&user.id) && !text.contains(&user.email), "left behind: {text}");
    }
}

/// Creates this many movies of a user: one with the API, and copies of it.
async fn create_movies(app: &TestApp, owner: &TestUser, number: usize) {
    if number == 0 {
        return;
    }
    let name = name_of(owner, 0);
    let created = app.create_movie(owner, &name).await;
    let id = Uuid::try_parse(created["id"].as_str().expect("an id")).expect("a UUID").as_u128();
    let original = app.item(MOVIES, &format!("movie#{}", Uuid::from_u128(id))).expect("a movie");
    let original_claim = app.item(MOVIES, &format!("name#{name}")).expect("a claim");
    let copies = (1..number).flat_map(|copy| {
        let id = Uuid::from_u128(id + copy as u128).to_string();
        let name = name_of(owner, copy);
        let (mut movie, mut claim) = (original.clone(), original_claim.clone());
        movie["pk"]["S"] = json!(format!("movie#{id}"));
        movie["id"]["S"] = json!(id);
        movie["name"]["S"] = json!(name);
        movie["name_key"]["S"] = json!(name);
        claim["pk"]["S"] = json!(format!("name#{name}"));
        claim["movie_id"]["S"] = json!(id);
        [movie, claim]
    });
    app.put_items(MOVIES, copies.collect());
    app.edit_user(&owner.id, |user| user["movie_count"]["N"] = json!(number.to_string()));
}

/// Returns the name of such a movie, which is also its canonical name.
fn name_of(owner: &TestUser, number: usize) -> String {
    let (who, _) = owner.email.split_once('@').expect("an email");
    format!("movie {number} of {who}")
}

/// Requests the deletion of an account. Returns its stream record.
async fn request_deletion(app: &TestApp, user: &TestUser) -> Value {
    let response = app.send_with_retries(delete("/api/auth/account").bearer(&user.token)).await;
    assert_eq!((response.status, response.json()), (202, json!({"id": user.id})), "{}", response.body);
    let of_them = |record: &Value| record["dynamodb"]["Keys"] == json!({"user_id": {"S": user.id}});
    stream(app).into_iter().find(of_them).expect("a record")
}

/// Returns all records of the stream, the oldest first.
fn stream(app: &TestApp) -> Vec<Value> {
    let mut reader = StreamReader::new(&app.database, ACCOUNT_DELETIONS).expect("a reader");
    reader.next_records().expect("records")
}

/// Invokes the function with records, as Lambda does. Returns the sequence numbers of the failed ones.
async fn deliver(app: &TestApp, records: &[&Value]) -> Vec<String> {
    failures(app.function(PURGE).await.invoke(&json!({"Records": records})).await)
}

/// Delivers a record, which must succeed. In a storm, delivers it again after a failure, as often as Lambda does.
async fn deliver_with_retries(app: &TestApp, record: &Value) {
    let most = if app.in_storm { DELIVERIES } else { 1 };
    for _ in 0..most {
        if deliver(app, &[record]).await.is_empty() {
            return;
        }
    }
    panic!("given up: {:#?}", app.logs());
}

/// Returns the sequence numbers of the records that failed.
fn failures(outcome: Outcome) -> Vec<String> {
    let Outcome::Response(report) = outcome else { panic!("no report: {outcome:?}") };
    assert_eq!(report.as_object().map(serde_json::Map::len), Some(1), "{report}");
    let failures = report["batchItemFailures"].as_array().expect("a list").iter();
    failures.map(|failure| failure["itemIdentifier"].as_str().expect("a number").to_owned()).collect()
}

/// Waits for an error in the log that contains this text.
async fn wait_for_error(app: &TestApp, text: &str) -> String {
    let found = async {
        loop {
            let lines = app.logs();
            if let Some(line) = lines.iter().find(|line| line.contains("ERROR") && line.contains(text)) {
                return line.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), found).await;
    waited.unwrap_or_else(|_| panic!("no error has {text:?}: {:#?}", app.logs()))
}

fn sequence_number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().expect("a number").to_owned()
}

/// Returns the requests of the function since the calls were cleared: each with its table or its number of items.
fn requests(app: &TestApp) -> Vec<String> {
    let calls = app.proxy.calls_of(PURGE).into_iter();
    calls
        .map(|call| match (call.transaction_items.len(), call.index) {
            (0, None) => format!("{} {}", call.operation, call.tables.join(" ")),
            (0, Some(index)) => format!("{} {}/{index}", call.operation, call.tables.join(" ")),
            (items, _) => format!("{} {items}", call.operation),
        })
        .collect()
}

fn user_item(app: &TestApp, user: &TestUser) -> Option<Value> {
    app.item(USERS, &format!("user#{}", user.id))
}
