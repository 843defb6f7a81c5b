//! A movie changes between the read and the write of an operation.

use futures_util::future::join;
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::json;

use super::{Case, FaultTest, Scenario, assert_problem};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, get, put},
};

/// How often an operation reads a movie again.
const MAX_WRITE_ATTEMPTS: usize = 5;

#[tokio::test]
async fn a_rename_of_an_ever_changing_movie_is_429() {
    let (test, case) = test(Scenario::RenameMovie).await;
    let details = |time| put(&case.url, &json!({"genres": [format!("Genre {time}")]}));
    let response = while_it_changes(&test, &case, "TransactWriteItems", MAX_WRITE_ATTEMPTS, details).await;
    assert_problem(&response, 429, "too_many_concurrent_writes");
    let now = test.app.send(get(&case.url)).await.json();
    assert_eq!((&now["name"], &now["genres"]), (&json!("Old 1"), &json!(["Genre 4"])));
    assert_eq!(test.app.count(MOVIES, "name#new 1"), 0);
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_rename_keeps_one_concurrent_change() {
    let (test, case) = test(Scenario::RenameMovie).await;
    let details = |_| put(&case.url, &json!({"genres": ["Thriller"]}));
    let response = while_it_changes(&test, &case, "TransactWriteItems", 1, details).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let now = test.app.send(get(&case.url)).await.json();
    assert_eq!((&now["name"], &now["genres"]), (&json!("New 1"), &json!(["Thriller"])));
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_rename_frees_a_name_given_meanwhile() {
    let (test, case) = test(Scenario::RespellMovie).await;
    let rename = |_| put(&case.url, &json!({"name": "Meanwhile"}));
    // At first, the name is the same. So this begins as an update of one item and ends as a move of the claim.
    let response = while_it_changes(&test, &case, "UpdateItem", 1, rename).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.json()["name"], "OLD 1");
    assert_eq!((test.app.count(MOVIES, "name#meanwhile"), test.app.count(MOVIES, "name#old 1")), (0, 1));
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_deletion_of_an_ever_changing_movie_is_429() {
    let (test, case) = test(Scenario::DeleteMovie).await;
    let rename = |time| put(&case.url, &json!({"name": format!("Name {time}")}));
    let response = while_it_changes(&test, &case, "TransactWriteItems", MAX_WRITE_ATTEMPTS, rename).await;
    assert_problem(&response, 429, "too_many_concurrent_writes");
    assert_eq!(test.app.send(get(&case.url)).await.json()["name"], "Name 4");
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_deletion_of_a_movie_renamed_once_succeeds() {
    let (test, case) = test(Scenario::DeleteMovie).await;
    let rename = |_| put(&case.url, &json!({"name": "Meanwhile"}));
    let response = while_it_changes(&test, &case, "TransactWriteItems", 1, rename).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(test.app.count(MOVIES, ""), 0);
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_movie_with_a_new_owner_before_the_write_is_unchanged() {
    for scenario in
        [Scenario::RenameMovie, Scenario::RespellMovie, Scenario::UpdateDetails, Scenario::DeleteMovie]
    {
        let (test, case) = test(scenario).await;
        let bob = test.app.create_user("bob").await;
        let write = scenario.requests().len() - 1;
        let gate = Gate::new();
        test.inject(Fault::Hold(gate.clone()), write, 1);
        let given_away = async {
            gate.reached().await;
            let mut movie = test.app.items(MOVIES, "movie#").remove(0);
            movie["added_by"]["S"] = json!(bob.id);
            test.app.database.put_item(MOVIES, movie.clone()).expect("written");
            gate.open();
            movie
        };
        let (response, movie) = join(test.send(&case), given_away).await;
        assert_problem(&response, 403, "not_owner");
        assert_eq!(test.app.items(MOVIES, "movie#"), [movie], "{}", test.name());
        assert_eq!(test.app.count(MOVIES, "name#old 1"), 1, "{}", test.name());
    }
}

async fn test(scenario: Scenario) -> (FaultTest, Case) {
    let test = FaultTest::new(scenario).await;
    // One process for the operation under test, and one that changes the movie meanwhile.
    test.app.start_many("update-movie", 2).await;
    let case = test.case(1).await;
    (test, case)
}

/// Sends the request of a case, and changes the movie before each of its first `times` writes.
async fn while_it_changes(
    test: &FaultTest,
    case: &Case,
    write: &str,
    times: usize,
    change: impl Fn(usize) -> HttpRequest,
) -> HttpResponse {
    let operation = test.scenario.operation();
    // The changes use another action or another function, so the rule holds only the case.
    let gates: Vec<Gate> = (0..times).map(|_| Gate::new()).collect();
    for gate in &gates {
        test.app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(operation).on(write));
    }
    let changing = async {
        for (time, gate) in gates.iter().enumerate() {
            gate.reached().await;
            let response = test.app.send(change(time).bearer(&test.ann.token)).await;
            assert_eq!(response.status, 200, "{}", response.body);
            gate.open();
        }
    };
    join(test.send(case), changing).await.0
}
