//! The index `owner` is eventually consistent: it names movies that are deleted, changed or given to another user, and
//! it misses others. The table decides.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures_util::future::{Either, join_all, select};
use local::fault_proxy::{Fault, Gate, Rule, Weather};
use serde_json::{Value, json};

use super::{
    PURGE, assert_gone, create_movies, deliver, deliver_with_retries, request_deletion, requests,
    sequence_number, wait_for_error,
};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, TestApp, TestUser, movie, post},
};

/// The longest lag of the index: shorter than a run waits for the index before it gives up.
const LAG: Duration = Duration::from_millis(2_500);

#[tokio::test]
async fn the_table_decides_about_movies_changed_since_the_query() {
    // Between the query and the read of the table, and between that read and the write.
    for (held, movies_written) in [("BatchGetItem", [3].as_slice()), ("TransactWriteItems", &[5, 3])] {
        let test = IndexTest::new().await;
        let gate = Gate::new();
        let rule = Rule::once(Fault::Hold(gate.clone())).from(PURGE).on(held);
        test.app.proxy.inject(rule);
        let changes = async {
            gate.reached().await;
            let kept = test.change_everything();
            gate.open();
            kept
        };
        let (failed, kept) = futures_util::future::join(deliver(&test.app, &[&test.record]), changes).await;
        assert_eq!(failed, [""; 0], "{held}");
        assert_eq!(test.app.table_contents(), kept, "{held}: Bob's data is unchanged");
        assert_gone(&test.app, &test.ann);
        assert_consistent(&test.app);
        let transactions: Vec<String> =
            requests(&test.app).into_iter().filter(|request| request.starts_with("Transact")).collect();
        let expected = movies_written.iter().map(|movies| 2 * movies + 1).chain([3]);
        let expected: Vec<String> = expected.map(|items| format!("TransactWriteItems {items}")).collect();
        assert_eq!(transactions, expected, "{held}");
    }
}

#[tokio::test]
async fn a_purge_waits_for_a_movie_missing_from_the_index() {
    for kept in [0, 2] {
        let app = TestApp::start().await;
        let ann = app.create_user("ann").await;
        create_movies(&app, &ann, kept + 1).await;
        let record = request_deletion(&app, &ann).await;
        // The movie exists and is counted, but appears in the index only after the query.
        let movie = app.items(MOVIES, "movie#").pop().expect("a movie");
        app.delete_item(MOVIES, movie["pk"]["S"].as_str().expect("a key"));
        app.proxy.clear_calls();
        let gate = Gate::new();
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("GetItem").after(1));
        let appears = async {
            gate.reached().await;
            app.database.put_item(MOVIES, movie).expect("an item");
            gate.open();
        };
        let (failed, ()) = futures_util::future::join(deliver(&app, &[&record]), appears).await;
        assert_eq!(failed, [""; 0]);
        assert_gone(&app, &ann);
        assert_consistent(&app);
        let looks = requests(&app).iter().filter(|request| request.starts_with("Query")).count();
        assert_eq!(looks, 2, "it queried again");
    }
}

#[tokio::test]
async fn movies_that_appear_in_the_index_late_are_all_deleted() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    // More queries than may find nothing in a row.
    create_movies(&app, &ann, 8).await;
    let record = request_deletion(&app, &ann).await;
    let mut hidden = app.items(MOVIES, "movie#");
    for movie in &hidden {
        app.delete_item(MOVIES, movie["pk"]["S"].as_str().expect("a key"));
    }
    let appear = async {
        while let Some(movie) = hidden.pop() {
            app.database.put_item(MOVIES, movie).expect("an item");
            while app.count(MOVIES, "movie#") > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    // If the purge ends before it has found them all, the test does not wait for the rest.
    let failed = match select(pin!(deliver(&app, &[&record])), pin!(appear)).await {
        Either::Left((failed, _)) => failed,
        Either::Right(((), purging)) => purging.await,
    };
    assert_eq!(failed, [""; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
}

#[tokio::test]
async fn movies_that_a_lagging_index_hides_are_all_deleted() {
    let weather = Weather { longest_lag: LAG, ..Weather::STORM };
    let app = TestApp::start_in(weather, 4).await;
    let ann = app.create_user("ann").await;
    let creating = (0..12).map(|number| {
        let movie = movie(&format!("Movie {number}"));
        app.send_with_retries(post("/api/movies", &movie).bearer(&ann.token))
    });
    for response in join_all(creating).await {
        assert_eq!(response.status, 200, "{}", response.body);
    }
    let record = request_deletion(&app, &ann).await;
    app.proxy.clear_calls();
    deliver_with_retries(&app, &record).await;
    // After the movies that the index shows at once, the run waits for those that it hides.
    let reads_of_user = requests(&app).iter().filter(|request| *request == "GetItem UsersTable").count();
    assert!(reads_of_user > 1, "the index hid no movie");
    assert_gone(&app, &ann);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_user_with_counted_movies_is_kept() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    app.edit_user(&ann.id, |user| user["movie_count"]["N"] = json!("3"));
    // The purge queries for the third one until its time is over. Here, it finds the count corrected after the third
    // query.
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("Query").after(2));
    app.proxy.clear_calls();
    let appears = async {
        gate.reached().await;
        assert_eq!(app.sign_up(&ann.email).await.status, 409);
        assert!(super::user_item(&app, &ann).is_some_and(|user| user["movie_count"]["N"] == "1"));
        app.edit_user(&ann.id, |user| user["movie_count"]["N"] = json!("0"));
        gate.open();
    };
    let (failed, ()) = futures_util::future::join(deliver(&app, &[&record]), appears).await;
    assert_eq!(failed, [""; 0]);
    assert_gone(&app, &ann);
}

#[tokio::test]
async fn a_movie_given_away_before_the_write_is_kept() {
    let test = IndexTest::new().await;
    let app = &test.app;
    let given_away = async || {
        let mut movie = app.items(MOVIES, "movie#").pop().expect("a movie");
        movie["added_by"]["S"] = json!(test.bob.id);
        app.database.put_item(MOVIES, movie).expect("an item");
        app.edit_user(&test.ann.id, |user| user["movie_count"]["N"] = json!("4"));
        app.edit_user(&test.bob.id, |user| user["movie_count"]["N"] = json!("2"));
    };
    let record = [&test.record];
    assert_eq!(interrupted(app, deliver(app, &record), 0, given_away).await, [""; 0]);
    assert_gone(app, &test.ann);
    assert_eq!((app.count(MOVIES, "movie#"), app.count(MOVIES, "name#")), (2, 2));
    assert_consistent(app);
}

#[tokio::test]
async fn a_user_who_gets_a_movie_before_the_last_write_stays() {
    let test = IndexTest::new().await;
    let app = &test.app;
    let counted = async || app.edit_user(&test.ann.id, |user| user["movie_count"]["N"] = json!("1"));
    // This cannot happen, because a user with the status `deleting` gets no movies. So it is an error.
    let record = [&test.record];
    let failed = interrupted(app, deliver(app, &record), 1, counted).await;
    assert_eq!(failed, [sequence_number(&test.record)]);
    assert!(super::user_item(app, &test.ann).is_some() && super::account_deletion(app, &test.ann).is_some());
    assert_eq!(app.sign_up(&test.ann.email).await.status, 409);
}

/// Makes a change before a transaction of a purge, counted from 0.
async fn interrupted(
    app: &TestApp,
    purge: impl Future<Output = Vec<String>>,
    transaction: usize,
    change: impl AsyncFnOnce(),
) -> Vec<String> {
    let gate = Gate::new();
    let rule = Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("TransactWriteItems");
    app.proxy.inject(rule.after(transaction));
    let changing = async {
        gate.reached().await;
        change().await;
        gate.open();
    };
    futures_util::future::join(purge, changing).await.0
}

#[tokio::test]
async fn a_name_claimed_by_another_movie_is_reported_and_kept() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let bobs = app.create_movie(&bob, "Ronin").await;
    app.create_movie(&ann, "Heat").await;
    let record = request_deletion(&app, &ann).await;
    app.edit_item(MOVIES, "name#heat", |claim| claim["movie_id"]["S"] = bobs["id"].clone());
    let before = app.table_contents();
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    assert_eq!(app.table_contents(), before);
    let line = wait_for_error(&app, "is corrupt").await;
    assert!(line.contains("movie#") && line.contains("it does not hold the claim on its name"), "{line}");
}

/// Ann, whose account with five movies is being deleted, and Bob with one movie.
struct IndexTest {
    app: TestApp,
    ann: TestUser,
    bob: TestUser,
    record: Value,
}

impl IndexTest {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
        app.create_movie(&bob, "Bob's").await;
        for name in ["Gone", "Renamed", "Given away", "Kept", "Last"] {
            app.create_movie(&ann, name).await;
        }
        let record = request_deletion(&app, &ann).await;
        app.proxy.clear_calls();
        Self { app, ann, bob, record }
    }

    /// Deletes one of Ann's movies, renames one and gives its old name to a movie of Bob's, and gives one to Bob.
    /// Returns the expected final contents of the tables.
    fn change_everything(&self) -> BTreeMap<String, Value> {
        let app = &self.app;
        let mut movies = app.items(MOVIES, "movie#");
        let mut take = |name: &str| {
            let at = movies.iter().position(|movie| movie["name"]["S"] == name).expect("a movie");
            movies.remove(at)
        };
        let put = |item: Value| app.database.put_item(MOVIES, item).expect("an item");
        let claim = |name: &str, movie: &Value| {
            put(json!({"pk": {"S": format!("name#{name}")}, "movie_id": movie["id"]}));
        };

        app.delete_item(MOVIES, take("Gone")["pk"]["S"].as_str().expect("a key"));
        app.delete_item(MOVIES, "name#gone");

        let mut renamed = take("Renamed");
        (renamed["name"]["S"], renamed["name_key"]["S"]) = (json!("New name"), json!("new name"));
        claim("new name", &renamed);
        put(renamed);
        let mut bobs = take("Bob's");
        bobs["pk"]["S"] = json!("movie#0193c2f0-0000-7000-8000-000000000000");
        bobs["id"]["S"] = json!("0193c2f0-0000-7000-8000-000000000000");
        (bobs["name"]["S"], bobs["name_key"]["S"]) = (json!("Renamed"), json!("renamed"));
        claim("renamed", &bobs);
        put(bobs);

        let mut given = take("Given away");
        given["added_by"]["S"] = json!(self.bob.id);
        put(given);

        app.edit_user(&self.ann.id, |user| user["movie_count"]["N"] = json!("3"));
        app.edit_user(&self.bob.id, |user| user["movie_count"]["N"] = json!("3"));
        let mut kept = app.table_contents();
        let ids: Vec<String> = app
            .items(MOVIES, "movie#")
            .iter()
            .filter(|movie| movie["added_by"]["S"] == self.ann.id)
            .map(|movie| movie["id"]["S"].as_str().expect("an id").to_owned())
            .collect();
        kept.retain(|key, item| {
            let text = format!("{key} {item}");
            !text.contains(&self.ann.id) && !ids.iter().any(|id| text.contains(id))
        });
        kept
    }
}
