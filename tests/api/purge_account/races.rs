//! Creates, renames, changes and deletions that are under way while their user leaves, and somebody else who takes the
//! names that become free: a thousand tries.

#![expect(clippy::print_stdout, reason = "how the tries ended is worth seeing")]

use std::collections::BTreeMap;

use futures_util::{
    StreamExt as _,
    future::{FutureExt as _, LocalBoxFuture, join, join_all},
    stream,
};
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{PURGE, assert_gone, create_movies, deliver, name_of, request_deletion};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, TestApp, TestUser, delete, movie, post, put},
};

/// The tries of one round: so many of each of the four kinds.
const OF_EACH: usize = 4;
const TRIES: usize = 4 * OF_EACH;
/// So many requests a purge of a few movies makes.
const PURGE_REQUESTS: usize = 6;
/// At each of them, and before and after, writes are held back.
const STEPS: usize = PURGE_REQUESTS + 3;
/// With those at the steps, these make a thousand.
const WAVES: usize = 18;
const USERS_OF_A_WAVE: usize = 3;

#[tokio::test]
async fn writes_delayed_to_any_step_leave_nothing_behind() {
    let app = TestApp::start().await;
    for function in ["create-movie", "delete-movie"] {
        app.start_many(function, OF_EACH).await;
    }
    app.start_many("update-movie", 2 * OF_EACH).await;
    let bob = app.create_user("bob").await;
    let mut ends = BTreeMap::new();
    for step in 0..STEPS {
        let ann = app.create_user(&format!("ann{step}")).await;
        create_movies(&app, &ann, 3 * OF_EACH).await;
        let held = hold_writes(&app);
        let (done, mut all_done) = watch::channel(false);
        let sending = async {
            let responses = join_all(tries(&app, &ann).into_iter().map(|(kind, request)| {
                let app = &app;
                async move { (kind, app.send(request).await) }
            }));
            let responses = responses.await;
            done.send_replace(true);
            responses
        };
        let release = async {
            app.proxy.clear_rules();
            held.open();
            all_done.wait_for(|done| *done).await.expect("the responses come");
            let mut taken = Vec::new();
            for request in takers(&bob, &ann) {
                taken.push(app.send(request).await);
            }
            taken
        };
        let deleting = async {
            held.reached_by(TRIES).await;
            delete_and_release_at(&app, &ann, step, release).await
        };
        let (responses, taken) = join(sending, deleting).await;
        count(&mut ends, responses.iter().map(|(kind, response)| (*kind, response)));
        assert_gone(&app, &ann);
        assert_kept(&app, &taken);
        assert_consistent(&app);
        for (kind, response) in &responses {
            match (step, *kind) {
                // The mark came first.
                (1.., "create") => assert_eq!(response.status, 401, "step {step}: {}", response.body),
                // The movies were still there.
                (..=4, _) => assert_eq!(response.status, 200, "{kind} at step {step}: {}", response.body),
                (_, _) => {
                    assert!(matches!(response.status, 200 | 404), "{kind} at step {step}: {}", response.body);
                }
            }
        }
    }
    println!("{} tries held back to a step of leaving: {ends:?}", STEPS * TRIES);
}

#[tokio::test]
async fn writes_that_race_with_a_deletion_leave_nothing_behind() {
    let app = TestApp::start_with(3, &[]).await;
    let bob = app.create_user("bob").await;
    let mut ends = BTreeMap::new();
    for wave in 0..WAVES {
        let round = |number: usize| {
            let (app, bob) = (&app, &bob);
            async move {
                let ann = app.create_user(&format!("ann{wave}x{number}")).await;
                create_movies(app, &ann, 3 * OF_EACH).await;
                let (mut tried, mut taken) = (Vec::new(), Vec::new());
                for (kind, response) in race(app, bob, &ann, wave * USERS_OF_A_WAVE + number).await {
                    if kind == "taker" { taken.push(response) } else { tried.push((kind, response)) }
                }
                (ann, tried, taken)
            }
        };
        for (ann, tried, taken) in join_all((0..USERS_OF_A_WAVE).map(round)).await {
            assert_gone(&app, &ann);
            assert_kept(&app, &taken);
            count(&mut ends, tried.iter().map(|(kind, response)| (*kind, response)));
            count(&mut ends, taken.iter().map(|response| ("taker", response)));
        }
        assert_consistent(&app);
    }
    println!("{} tries that raced with leaving: {ends:?}", WAVES * USERS_OF_A_WAVE * TRIES);
    const { assert!(STEPS * TRIES + WAVES * USERS_OF_A_WAVE * TRIES >= 1_000) };
    for end in ends.keys() {
        let (kind, status) = end.split_once(' ').expect("a status");
        let expected: &[&str] = match kind {
            "create" => &["200", "401"],
            "taker" => &["200", "409"],
            _ => &["200", "401", "404"],
        };
        assert!(expected.contains(&status), "{ends:?}");
    }
}

/// All tries of a round, and somebody else who takes the names, eight at once; and leaving, which begins after a few.
async fn race(
    app: &TestApp,
    bob: &TestUser,
    ann: &TestUser,
    number: usize,
) -> Vec<(&'static str, HttpResponse)> {
    let send = |kind, request| async move { Some((kind, app.send(request).await)) }.boxed_local();
    let mut all: Vec<LocalBoxFuture<'_, Option<(&'static str, HttpResponse)>>> = Vec::new();
    for (kind, request) in tries(app, ann) {
        // One after the other of each kind.
        let place = if all.is_empty() { 0 } else { (number * 7 + all.len() * 5) % all.len() };
        all.insert(place, send(kind, request));
    }
    for request in takers(bob, ann) {
        all.insert(all.len() - number % 4, send("taker", request));
    }
    let deleting = async {
        let record = request_deletion(app, ann).await;
        assert_eq!(deliver(app, &[&record]).await, [""; 0]);
        None
    };
    all.insert(number % TRIES, deleting.boxed_local());
    stream::iter(all).buffer_unordered(8).filter_map(std::future::ready).collect().await
}

/// Leaves and is purged; the release happens at one step of it.
async fn delete_and_release_at(
    app: &TestApp,
    ann: &TestUser,
    step: usize,
    release: impl Future<Output = Vec<HttpResponse>>,
) -> Vec<HttpResponse> {
    let purge = async |record: &Value| assert_eq!(deliver(app, &[record]).await, [""; 0]);
    match step {
        0 => {
            let taken = release.await;
            purge(&request_deletion(app, ann).await).await;
            taken
        }
        1 => {
            let record = request_deletion(app, ann).await;
            let taken = release.await;
            purge(&record).await;
            taken
        }
        _ if step < STEPS - 1 => {
            let record = request_deletion(app, ann).await;
            let gate = Gate::new();
            app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).after(step - 2));
            let releasing = async {
                gate.reached().await;
                let taken = release.await;
                gate.open();
                taken
            };
            join(purge(&record), releasing).await.1
        }
        _ => {
            purge(&request_deletion(app, ann).await).await;
            release.await
        }
    }
}

/// Holds every write to a movie back.
fn hold_writes(app: &TestApp) -> Gate {
    let held = Gate::new();
    for function in ["create-movie", "update-movie", "delete-movie"] {
        for operation in ["TransactWriteItems", "UpdateItem"] {
            let rule = Rule::always(Fault::Hold(held.clone()));
            app.proxy.inject(rule.from(function).on(operation));
        }
    }
    held
}

/// Creates, and a rename, a change of details or a deletion of each of the movies.
fn tries(app: &TestApp, ann: &TestUser) -> Vec<(&'static str, HttpRequest)> {
    let mut tries = Vec::new();
    let claims = app.items(MOVIES, "name#");
    for number in 0..OF_EACH {
        let movie_of = |offset: usize| {
            let key = format!("name#{}", name_of(ann, number + offset));
            let claim = claims.iter().find(|claim| claim["pk"]["S"] == key).expect("a claim");
            format!("/api/movies/{}", claim["movie_id"]["S"].as_str().expect("an id"))
        };
        let name = |kind: &str| format!("{kind} {}", name_of(ann, number));
        tries.extend([
            ("create", post("/api/movies", &movie(&name("new")))),
            ("rename", put(&movie_of(0), &json!({"name": name("other")}))),
            ("details", put(&movie_of(OF_EACH), &json!({"genres": ["Thriller"]}))),
            ("delete", delete(&movie_of(2 * OF_EACH))),
        ]);
    }
    tries.into_iter().map(|(kind, request)| (kind, request.bearer(&ann.token))).collect()
}

/// Somebody else wants names of movies that are renamed or deleted.
fn takers(bob: &TestUser, ann: &TestUser) -> Vec<HttpRequest> {
    let names = (0..OF_EACH / 2).chain(2 * OF_EACH..5 * OF_EACH / 2).map(|number| name_of(ann, number));
    names.map(|name| post("/api/movies", &movie(&name)).bearer(&bob.token)).collect()
}

/// What somebody else has created is still there.
fn assert_kept(app: &TestApp, taken: &[HttpResponse]) {
    let movies = app.items(MOVIES, "movie#");
    for response in taken.iter().filter(|response| response.status == 200) {
        let created = response.json();
        let movie = movies.iter().find(|movie| movie["id"]["S"] == created["id"]).expect("it is there");
        assert_eq!(movie["name"]["S"], created["name"]);
    }
}

fn count<'a>(
    ends: &mut BTreeMap<String, usize>,
    responses: impl Iterator<Item = (&'static str, &'a HttpResponse)>,
) {
    for (kind, response) in responses {
        *ends.entry(format!("{kind} {}", response.status)).or_default() += 1;
    }
}
