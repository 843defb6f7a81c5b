//! Creates, renames, updates and deletions in flight while their user's account is deleted, and another user who takes
//! the names that become free: a thousand attempts.

#![expect(clippy::print_stdout, reason = "shows the outcomes of the attempts")]

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

use super::{PURGE, assert_gone, create_movies, deliver_with_retries, name_of, request_deletion};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, TestApp, TestUser, delete, movie, post, put},
    weather::in_every_weather,
};

/// The number of attempts of each of the four kinds in one round.
const OF_EACH: usize = 4;
const WRITES: usize = 4 * OF_EACH;
/// The number of requests that a purge of a few movies makes.
const PURGE_REQUESTS: usize = 6;
/// Writes are held at each of these requests, and before and after all of them.
const STEPS: usize = PURGE_REQUESTS + 3;
/// In calm weather. Together with the attempts at the steps, these make a thousand.
const WAVES: usize = 18;
const WAVES_IN_STORM: usize = 4;
const USERS_OF_A_WAVE: usize = 3;

#[tokio::test]
async fn writes_delayed_to_any_step_leave_nothing_behind() {
    in_every_weather(1, async |app| {
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
                let responses = join_all(attempts(&app, &ann).into_iter().map(|(kind, request)| {
                    let app = &app;
                    async move { (kind, app.send_with_retries(request).await) }
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
                for request in reuses(&bob, &ann) {
                    taken.push(app.send_with_retries(request).await);
                }
                taken
            };
            let deleting = async {
                held.reached_by(WRITES).await;
                delete_and_release_at(&app, &ann, step, release).await
            };
            let (responses, taken) = join(sending, deleting).await;
            count(&mut ends, responses.iter().map(|(kind, response)| (*kind, response)));
            assert_gone(&app, &ann);
            assert_kept(&app, &taken);
            assert_consistent(&app);
            for (kind, response) in &responses {
                match (step, *kind) {
                    // The session ended first.
                    (1.., "create" | "delete") => {
                        assert_eq!(response.status, 401, "step {step}: {}", response.body);
                    }
                    // The movies still existed.
                    (..=4, _) => assert_eq!(response.status, 200, "{kind} at step {step}: {}", response.body),
                    (_, _) => {
                        assert!(
                            matches!(response.status, 200 | 401),
                            "{kind} at step {step}: {}",
                            response.body
                        );
                    }
                }
            }
        }
        println!("{} writes delayed to a step of the deletion: {ends:?}", STEPS * WRITES);
    })
    .await;
}

#[tokio::test]
async fn writes_that_race_with_a_deletion_leave_nothing_behind() {
    in_every_weather(3, async |app| {
        let bob = app.create_user("bob").await;
        let mut ends = BTreeMap::new();
        let waves = if app.in_storm { WAVES_IN_STORM } else { WAVES };
        for wave in 0..waves {
            let round = |number: usize| {
                let (app, bob) = (&app, &bob);
                async move {
                    let ann = app.create_user(&format!("ann{wave}x{number}")).await;
                    create_movies(app, &ann, 3 * OF_EACH).await;
                    let (mut attempted, mut taken) = (Vec::new(), Vec::new());
                    for (kind, response) in race(app, bob, &ann, wave * USERS_OF_A_WAVE + number).await {
                        if kind == "reuse" { taken.push(response) } else { attempted.push((kind, response)) }
                    }
                    (ann, attempted, taken)
                }
            };
            for (ann, attempted, taken) in join_all((0..USERS_OF_A_WAVE).map(round)).await {
                assert_gone(&app, &ann);
                assert_kept(&app, &taken);
                count(&mut ends, attempted.iter().map(|(kind, response)| (*kind, response)));
                count(&mut ends, taken.iter().map(|response| ("reuse", response)));
            }
            assert_consistent(&app);
        }
        println!("{} writes that raced with a deletion: {ends:?}", waves * USERS_OF_A_WAVE * WRITES);
        const { assert!(STEPS * WRITES + WAVES * USERS_OF_A_WAVE * WRITES >= 1_000) };
        for end in ends.keys() {
            let (kind, status) = end.split_once(' ').expect("a status");
            let expected: &[&str] = match kind {
                "create" => &["200", "401"],
                "reuse" => &["200", "409"],
                _ => &["200", "401", "404"],
            };
            assert!(expected.contains(&status), "{ends:?}");
        }
    })
    .await;
}

/// Runs all attempts of a round and another user's creates, eight at once. The account deletion begins after a few of
/// them.
async fn race(
    app: &TestApp,
    bob: &TestUser,
    ann: &TestUser,
    number: usize,
) -> Vec<(&'static str, HttpResponse)> {
    let send =
        |kind, request| async move { Some((kind, app.send_with_retries(request).await)) }.boxed_local();
    let mut all: Vec<LocalBoxFuture<'_, Option<(&'static str, HttpResponse)>>> = Vec::new();
    for (kind, request) in attempts(app, ann) {
        // The kinds alternate.
        let place = if all.is_empty() { 0 } else { (number * 7 + all.len() * 5) % all.len() };
        all.insert(place, send(kind, request));
    }
    for request in reuses(bob, ann) {
        all.insert(all.len() - number % 4, send("reuse", request));
    }
    let deleting = async {
        let record = request_deletion(app, ann).await;
        deliver_with_retries(app, &record).await;
        None
    };
    all.insert(number % WRITES, deleting.boxed_local());
    stream::iter(all).buffer_unordered(8).filter_map(std::future::ready).collect().await
}

/// Deletes the account and purges it. The held writes are released at one step.
async fn delete_and_release_at(
    app: &TestApp,
    ann: &TestUser,
    step: usize,
    release: impl Future<Output = Vec<HttpResponse>>,
) -> Vec<HttpResponse> {
    let purge = async |record: &Value| deliver_with_retries(app, record).await;
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

/// Holds every write of a movie.
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

/// Returns creates, and a rename, an update of details or a deletion of each movie.
fn attempts(app: &TestApp, ann: &TestUser) -> Vec<(&'static str, HttpRequest)> {
    let mut attempts = Vec::new();
    let claims = app.items(MOVIES, "name#");
    for number in 0..OF_EACH {
        let movie_of = |offset: usize| {
            let key = format!("name#{}", name_of(ann, number + offset));
            let claim = claims.iter().find(|claim| claim["pk"]["S"] == key).expect("a claim");
            format!("/api/movies/{}", claim["movie_id"]["S"].as_str().expect("an id"))
        };
        let name = |kind: &str| format!("{kind} {}", name_of(ann, number));
        attempts.extend([
            ("create", post("/api/movies", &movie(&name("new")))),
            ("rename", put(&movie_of(0), &json!({"name": name("other")}))),
            ("details", put(&movie_of(OF_EACH), &json!({"genres": ["Thriller"]}))),
            ("delete", delete(&movie_of(2 * OF_EACH))),
        ]);
    }
    attempts.into_iter().map(|(kind, request)| (kind, request.bearer(&ann.token))).collect()
}

/// Returns creates of another user with the names of movies that are renamed or deleted.
fn reuses(bob: &TestUser, ann: &TestUser) -> Vec<HttpRequest> {
    let names = (0..OF_EACH / 2).chain(2 * OF_EACH..5 * OF_EACH / 2).map(|number| name_of(ann, number));
    names.map(|name| post("/api/movies", &movie(&name)).bearer(&bob.token)).collect()
}

/// Panics unless every movie that the other user has created still exists.
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
