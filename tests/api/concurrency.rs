//! Concurrent requests: fifty processes of a function whose writes are held until all fifty have arrived, and races
//! between different operations.

#![expect(clippy::print_stdout, reason = "shows the number of each response")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::{join, join_all};
use local::{
    fault_proxy::{Fault, Gate, Rule, Weather},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, PASSWORD, TestApp, TestUser, USERS, delete, get, movie, movie_path, post, put},
    weather::in_every_weather,
};

/// How many processes write at the same time.
pub const MANY: usize = 50;
const TRANSACTION: &str = "TransactWriteItems";

#[tokio::test]
async fn of_fifty_parallel_signups_with_one_email_one_succeeds() {
    in_every_weather(1, async |app| {
        let emails = (0..MANY).map(|number| match number % 3 {
            0 => "ann@example.com",
            1 => "Ann@Example.com",
            _ => "ANN@EXAMPLE.COM",
        });
        let requests =
            emails.map(|email| post("/api/auth/signup", &json!({"email": email, "password": PASSWORD})));
        let responses = at_once(&app, "signup", TRANSACTION, requests.collect()).await;

        assert_eq!(counts(&responses), one_winner("email_taken"));
        let (users, claims) = (app.count(USERS, "user#"), app.count(USERS, "email#"));
        println!("{MANY} signups with one email: {:?}; {users} user, {claims} claim", counts(&responses));
        assert_eq!((users, claims), (1, 1));
        let winner = responses.iter().find(|response| response.status == 200).expect("a winner").json();
        assert_eq!(app.items(USERS, "email#")[0]["user_id"]["S"], winner["id"]);
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn of_fifty_parallel_creates_of_one_name_one_succeeds() {
    in_every_weather(1, async |app| {
        let users = users(&app).await;
        let spellings = ["Heat", "HEAT", " heat", "ｈｅａｔ"];
        let requests = (0..MANY).map(|number| {
            let name = spellings[number % spellings.len()];
            post("/api/movies", &movie(name)).bearer(&users[number % users.len()].token)
        });
        let responses = at_once(&app, "create-movie", TRANSACTION, requests.collect()).await;

        assert_eq!(counts(&responses), one_winner("movie_name_taken"));
        let (movies, claims) = (app.count(MOVIES, "movie#"), app.count(MOVIES, "name#"));
        println!("{MANY} creates of one name: {:?}; {movies} movie, {claims} claim", counts(&responses));
        assert_eq!((movies, claims), (1, 1));
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn of_fifty_parallel_renames_to_one_name_one_succeeds() {
    in_every_weather(1, async |app| {
        let users = users(&app).await;
        let mut requests = Vec::new();
        for number in 0..MANY {
            let owner = &users[number % users.len()];
            let id = app.create_movie(owner, &format!("Movie {number}")).await["id"]
                .as_str()
                .expect("an id")
                .to_owned();
            requests.push(put(&format!("/api/movies/{id}"), &json!({"name": "Heat"})).bearer(&owner.token));
        }
        let responses = at_once(&app, "update-movie", TRANSACTION, requests).await;

        assert_eq!(counts(&responses), one_winner("movie_name_taken"));
        let (movies, claims) = (app.count(MOVIES, "movie#"), app.count(MOVIES, "name#"));
        println!("{MANY} renames to one name: {:?}; {movies} movies, {claims} claims", counts(&responses));
        assert_eq!((movies, claims), (MANY, MANY));
        let winner = responses.iter().position(|response| response.status == 200).expect("a winner");
        assert_eq!(app.items(MOVIES, "name#heat")[0]["movie_id"]["S"], responses[winner].json()["id"]);
        // The old name of the renamed movie is free, and every other one is still claimed.
        for number in 0..MANY {
            let claims = app.items(MOVIES, "name#");
            let kept = claims.iter().any(|claim| claim["pk"]["S"] == format!("name#movie {number}"));
            assert_eq!(kept, number != winner, "the claim to Movie {number}");
        }
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn fifty_parallel_creates_by_one_user_all_succeed_and_all_count() {
    in_every_weather(1, async |app| {
        let ann = app.create_user("ann").await;
        let requests = (0..MANY)
            .map(|number| post("/api/movies", &movie(&format!("Movie {number}"))).bearer(&ann.token))
            .collect();
        let responses = at_once(&app, "create-movie", TRANSACTION, requests).await;

        println!("{MANY} creates by one user: {:?}", counts(&responses));
        assert_eq!(counts(&responses), BTreeMap::from([("200".to_owned(), MANY)]));
        assert_eq!(app.items(USERS, "user#")[0]["movie_count"]["N"], MANY.to_string());
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn a_write_that_conflicts_with_one_in_flight_is_retried() {
    let weather = Weather { transaction_time: Duration::from_millis(200), ..Weather::STORM };
    let app = TestApp::start_in(weather, 1).await;
    let ann = app.create_user("ann").await;
    let request = |name| post("/api/movies", &movie(name)).bearer(&ann.token);
    let responses = at_once(&app, "create-movie", TRANSACTION, ["Heat", "Ronin"].map(request).into()).await;
    assert_eq!(counts(&responses), BTreeMap::from([("200".to_owned(), 2)]));
    let calls = app.proxy.calls_of("create-movie");
    assert!(calls.iter().any(|call| call.status == 400), "the transactions must conflict");
    // A retry by a client, unlike one by the SDK, would have a client request token of its own.
    let transactions: BTreeSet<_> =
        calls.iter().filter_map(|call| call.body["ClientRequestToken"].as_str()).collect();
    assert_eq!(transactions.len(), 2, "the SDK repeats the transaction");
    assert_consistent(&app);
}

#[tokio::test]
async fn a_movie_renamed_during_its_deletion_is_gone() {
    in_every_weather(1, async |app| {
        let (ann, path) = one_movie(&app).await;
        let gate = hold(&app, "delete-movie");
        let deletion = app.send(delete(&path).bearer(&ann.token));
        let renaming = async {
            gate.reached().await;
            let response = app.send(put(&path, &json!({"name": "Ronin"})).bearer(&ann.token)).await;
            gate.open();
            response
        };
        let (deletion, renaming) = join(deletion, renaming).await;
        assert_eq!((deletion.status, renaming.status), (200, 200), "{}", deletion.body);
        assert_eq!(app.count(MOVIES, ""), 0);
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn a_movie_deleted_during_its_rename_stays_deleted() {
    in_every_weather(1, async |app| {
        let (ann, path) = one_movie(&app).await;
        let gate = hold(&app, "update-movie");
        let renaming = app.send(put(&path, &json!({"name": "Ronin"})).bearer(&ann.token));
        let deletion = async {
            gate.reached().await;
            let response = app.send(delete(&path).bearer(&ann.token)).await;
            gate.open();
            response
        };
        let (renaming, deletion) = join(renaming, deletion).await;
        assert_eq!((renaming.status, deletion.status), (404, 200), "{}", renaming.body);
        assert_eq!(app.count(MOVIES, ""), 0);
        app.create_movie(&ann, "Ronin").await;
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn details_changed_during_a_rename_are_kept() {
    in_every_weather(1, async |app| {
        let (ann, path) = one_movie(&app).await;
        app.start_many("update-movie", 2).await;
        let gate = hold(&app, "update-movie");
        let renaming = app.send(put(&path, &json!({"name": "Ronin"})).bearer(&ann.token));
        let details = async {
            gate.reached().await;
            let response = app.send(put(&path, &json!({"genres": ["Thriller"]})).bearer(&ann.token)).await;
            gate.open();
            response
        };
        let (renaming, details) = join(renaming, details).await;
        assert_eq!((renaming.status, details.status), (200, 200), "{}", renaming.body);
        let now = app.send(get(&path)).await.json();
        assert_eq!((&now["name"], &now["genres"]), (&json!("Ronin"), &json!(["Thriller"])));
        assert_eq!(renaming.json(), now);
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn two_movies_cannot_swap_their_names() {
    in_every_weather(1, async |app| {
        let ann = app.create_user("ann").await;
        let mut requests = Vec::new();
        for (name, wanted) in [("Heat", "Ronin"), ("Ronin", "Heat")] {
            let id = app.create_movie(&ann, name).await["id"].as_str().expect("an id").to_owned();
            requests.push(put(&format!("/api/movies/{id}"), &json!({"name": wanted})).bearer(&ann.token));
        }
        let responses = at_once(&app, "update-movie", TRANSACTION, requests).await;
        assert_eq!(counts(&responses), BTreeMap::from([("409 movie_name_taken".to_owned(), 2)]));
        assert_eq!((app.count(MOVIES, "name#heat"), app.count(MOVIES, "name#ronin")), (1, 1));
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn a_name_is_free_from_the_moment_of_the_rename() {
    in_every_weather(1, async |app| {
        let (ann, path) = one_movie(&app).await;
        let bob = app.create_user("bob").await;
        let gate = hold(&app, "update-movie");
        let renaming = app.send(put(&path, &json!({"name": "Ronin"})).bearer(&ann.token));
        let creates = async {
            gate.reached().await;
            let early = app.send(post("/api/movies", &movie("Heat")).bearer(&bob.token)).await;
            gate.open();
            early
        };
        let (renaming, early) = join(renaming, creates).await;
        assert_eq!((renaming.status, early.status), (200, 409), "{}", renaming.body);

        let gate = hold(&app, "create-movie");
        let late = app.send(post("/api/movies", &movie("Ronin")).bearer(&bob.token));
        let renaming = async {
            gate.reached().await;
            let response = app.send(put(&path, &json!({"name": "Heat"})).bearer(&ann.token)).await;
            gate.open();
            response
        };
        let (late, renaming) = join(late, renaming).await;
        assert_eq!((late.status, renaming.status), (200, 200), "{}", late.body);
        assert_consistent(&app);
    })
    .await;
}

#[tokio::test]
async fn a_login_succeeds_only_after_the_signup() {
    in_every_weather(1, async |app| {
        let gate = hold(&app, "signup");
        let early = async {
            gate.reached().await;
            let response = app.log_in("ann@example.com", PASSWORD).await;
            gate.open();
            response
        };
        let (signup, early) = join(app.sign_up("ann@example.com"), early).await;
        assert_eq!((signup.status, early.status), (200, 401), "{}", signup.body);
        assert_eq!(app.log_in("ann@example.com", PASSWORD).await.status, 200);
        assert_consistent(&app);
    })
    .await;
}

/// Sends each request to its own process, and releases their writes, the action `write`, when all of them have arrived.
pub async fn at_once(
    app: &TestApp,
    operation: &str,
    write: &str,
    requests: Vec<HttpRequest>,
) -> Vec<HttpResponse> {
    app.start_many(operation, requests.len()).await;
    let gate = Gate::new();
    let held = Rule { times: requests.len(), ..Rule::once(Fault::Hold(gate.clone())) };
    app.proxy.inject(held.from(operation).on(write));
    let together = requests.len();
    let sending = join_all(requests.into_iter().map(|request| app.send_with_retries(request)));
    let opening = async {
        gate.reached_by(together).await;
        gate.open();
    };
    join(sending, opening).await.0
}

/// Returns the number of responses by status, with the code of an error.
pub fn counts(responses: &[HttpResponse]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for response in responses {
        let code = response.json()["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
        *counts.entry(format!("{}{code}", response.status)).or_default() += 1;
    }
    counts
}

fn one_winner(code: &str) -> BTreeMap<String, usize> {
    BTreeMap::from([("200".to_owned(), 1), (format!("409 {code}"), MANY - 1)])
}

async fn users(app: &TestApp) -> Vec<TestUser> {
    let mut users = Vec::new();
    for name in ["ann", "bob", "cem"] {
        users.push(app.create_user(name).await);
    }
    users
}

/// Creates a user with a movie called Heat, and returns its path.
async fn one_movie(app: &TestApp) -> (TestUser, String) {
    let ann = app.create_user("ann").await;
    let path = movie_path(&app.create_movie(&ann, "Heat").await);
    (ann, path)
}

/// Holds the next transaction of a function until the gate is opened.
fn hold(app: &TestApp, operation: &str) -> Gate {
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(operation).on("TransactWriteItems"));
    gate
}
