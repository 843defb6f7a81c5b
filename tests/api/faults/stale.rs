//! A movie changes between an operation's read and its write.

use futures_util::future::join;
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::json;

use super::{Case, Path, Stage, assert_problem};
use crate::{
    bag::{MOVIES, get, put},
    consistency::assert_consistent,
};

/// How often an operation looks again.
const ATTEMPTS: usize = 5;

#[tokio::test]
async fn a_rename_of_a_movie_that_keeps_changing_is_429_and_changes_nothing() {
    let (stage, case) = stage(Path::Rename).await;
    let details = |time| put(&case.url, &json!({"genres": [format!("Genre {time}")]}));
    let response = while_it_changes(&stage, &case, "TransactWriteItems", ATTEMPTS, details).await;
    assert_problem(&response, 429, "too_many_concurrent_writes");
    let now = stage.bag.send(get(&case.url)).await.json();
    assert_eq!((&now["name"], &now["genres"]), (&json!("Old 1"), &json!(["Genre 4"])));
    assert_eq!(stage.bag.count(MOVIES, "name#new 1"), 0);
    assert_consistent(&stage.bag);
}

#[tokio::test]
async fn a_rename_of_a_movie_that_changes_once_succeeds_and_keeps_the_change() {
    let (stage, case) = stage(Path::Rename).await;
    let details = |_| put(&case.url, &json!({"genres": ["Thriller"]}));
    let response = while_it_changes(&stage, &case, "TransactWriteItems", 1, details).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let now = stage.bag.send(get(&case.url)).await.json();
    assert_eq!((&now["name"], &now["genres"]), (&json!("New 1"), &json!(["Thriller"])));
    assert_consistent(&stage.bag);
}

#[tokio::test]
async fn a_rename_of_a_movie_that_gets_another_name_meanwhile_frees_that_name() {
    let (stage, case) = stage(Path::Respell).await;
    let rename = |_| put(&case.url, &json!({"name": "Meanwhile"}));
    // The name was the same at first, so this begins as an ordinary update and ends as a move of the claim.
    let response = while_it_changes(&stage, &case, "UpdateItem", 1, rename).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.json()["name"], "OLD 1");
    assert_eq!((stage.bag.count(MOVIES, "name#meanwhile"), stage.bag.count(MOVIES, "name#old 1")), (0, 1));
    assert_consistent(&stage.bag);
}

#[tokio::test]
async fn a_deletion_of_a_movie_that_keeps_changing_is_429_and_deletes_nothing() {
    let (stage, case) = stage(Path::Delete).await;
    let rename = |time| put(&case.url, &json!({"name": format!("Name {time}")}));
    let response = while_it_changes(&stage, &case, "TransactWriteItems", ATTEMPTS, rename).await;
    assert_problem(&response, 429, "too_many_concurrent_writes");
    assert_eq!(stage.bag.send(get(&case.url)).await.json()["name"], "Name 4");
    assert_consistent(&stage.bag);
}

#[tokio::test]
async fn a_deletion_of_a_movie_that_is_renamed_once_succeeds() {
    let (stage, case) = stage(Path::Delete).await;
    let rename = |_| put(&case.url, &json!({"name": "Meanwhile"}));
    let response = while_it_changes(&stage, &case, "TransactWriteItems", 1, rename).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(stage.bag.count(MOVIES, ""), 0);
    assert_consistent(&stage.bag);
}

#[tokio::test]
async fn a_movie_that_gets_another_owner_between_read_and_write_is_not_changed() {
    for path in [Path::Rename, Path::Respell, Path::Details, Path::Delete] {
        let (stage, case) = stage(path).await;
        let bob = stage.bag.person("bob").await;
        let write = path.requests().len() - 1;
        let gate = Gate::new();
        stage.inject(Fault::Hold(gate.clone()), write, 1);
        let given_away = async {
            gate.reached().await;
            let mut movie = stage.bag.items(MOVIES, "movie#").remove(0);
            movie["added_by"]["S"] = json!(bob.id);
            stage.bag.database.put_item(MOVIES, movie.clone()).expect("written");
            gate.open();
            movie
        };
        let (response, movie) = join(stage.send(&case), given_away).await;
        assert_problem(&response, 403, "not_owner");
        assert_eq!(stage.bag.items(MOVIES, "movie#"), [movie], "{}", stage.name());
        assert_eq!(stage.bag.count(MOVIES, "name#old 1"), 1, "{}", stage.name());
    }
}

async fn stage(path: Path) -> (Stage, Case) {
    let stage = Stage::new(path).await;
    // One for the operation under test, and one that changes the movie in the meantime.
    stage.bag.start_many("update-movie", 2).await;
    let case = stage.case(1).await;
    (stage, case)
}

/// Sends the request of a case, and each time it is about to write, this many times, changes the movie first.
async fn while_it_changes(
    stage: &Stage,
    case: &Case,
    write: &str,
    times: usize,
    change: impl Fn(usize) -> HttpRequest,
) -> HttpResponse {
    let operation = stage.path.operation();
    // A write of another kind than the changes are, or by another function, so only the case is held back.
    let gates: Vec<Gate> = (0..times).map(|_| Gate::new()).collect();
    for gate in &gates {
        stage.bag.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(operation).on(write));
    }
    let changing = async {
        for (time, gate) in gates.iter().enumerate() {
            gate.reached().await;
            let response = stage.bag.send(change(time).bearer(&stage.ann.token)).await;
            assert_eq!(response.status, 200, "{}", response.body);
            gate.open();
        }
    };
    join(stage.send(case), changing).await.0
}
