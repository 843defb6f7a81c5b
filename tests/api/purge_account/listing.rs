//! The index `owner` has the order of names, so a rename moves a movie in it while a purge reads it; and clients list the
//! movies of a user while they are deleted.

use std::cell::Cell;

use futures_util::future::join3;
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::{Value, json};

use super::{PURGE, assert_gone, create_movies, deliver, name_of, request_deletion, requests};
use crate::{
    consistency::assert_consistent,
    list_movies::walking::walk,
    test_app::{MOVIES, TestApp, put},
};

/// Renames the last movie of the index after a purge has read the first page. The write was accepted before the account
/// deletion was requested. Returns the requests of the purge.
async fn rename_between_pages(name: &str) -> Vec<String> {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 60).await;
    let claim = app.item(MOVIES, &format!("name#{}", name_of(&ann, 9))).expect("a claim");
    let path = format!("/api/movies/{}", claim["movie_id"]["S"].as_str().expect("an id"));
    let (write, query) = (Gate::new(), Gate::new());
    app.proxy.inject(Rule::once(Fault::Hold(write.clone())).from("update-movie").on("TransactWriteItems"));
    app.proxy.inject(Rule::once(Fault::Hold(query.clone())).from(PURGE).on("Query").after(1));
    let renaming = async {
        let response = app.send(put(&path, &json!({"name": name})).bearer(&ann.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
        query.open();
    };
    let purging = async {
        write.reached().await;
        let record = request_deletion(&app, &ann).await;
        assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    };
    let releasing = async {
        query.reached().await;
        write.open();
    };
    join3(renaming, purging, releasing).await;
    assert_gone(&app, &ann);
    assert_consistent(&app);
    requests(&app)
}

#[tokio::test]
async fn a_movie_renamed_past_the_purge_is_found_by_the_next_step() {
    let start = ["GetItem AccountDeletionsTable"];
    let batch = |items| ["Query MoviesTable/owner", "BatchGetItem MoviesTable", items];
    let first = [&start[..], &batch("TransactWriteItems 99")].concat();
    let (look, finish) = (["GetItem UsersTable"], ["TransactWriteItems 3"]);
    let stays = [&first[..], &batch("TransactWriteItems 23"), &look, &finish].concat();
    assert_eq!(rename_between_pages("zulu").await, stays, "it is still on the second page");
    let second_step = [&start[..], &batch("TransactWriteItems 3"), &look, &finish].concat();
    let moves = [&first[..], &batch("TransactWriteItems 21"), &look, &second_step].concat();
    assert_eq!(rename_between_pages("a").await, moves, "it is now on the first page");
}

#[tokio::test]
async fn lists_stay_in_order_while_a_purge_deletes_their_movies() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    create_movies(&app, &ann, 500).await;
    create_movies(&app, &bob, 30).await;
    let bobs = walk(&app, &format!("/api/movies?added_by={}", bob.id)).await.movies;
    let over = Cell::new(false);
    let record = request_deletion(&app, &ann).await;
    let purging = async {
        assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
        over.set(true);
    };
    let by_ann = format!("/api/movies?limit=20&added_by={}", ann.id);
    let reading_anns = async {
        let mut partial = 0;
        while !over.get() {
            let walked = walk(&app, &by_ann).await.movies;
            assert!(walked.is_sorted_by(|one, other| one["name"].as_str() < other["name"].as_str()));
            assert!(walked.iter().all(|movie| movie["added_by"] == ann.id));
            partial += usize::from((1..500).contains(&walked.len()));
        }
        partial
    };
    let reading_all = async {
        while !over.get() {
            let walked = walk(&app, "/api/movies?limit=20&name_prefix=movie").await.movies;
            let of_bob: Vec<&Value> = walked.iter().filter(|movie| movie["added_by"] == bob.id).collect();
            assert_eq!(of_bob, bobs.iter().collect::<Vec<_>>());
        }
    };
    let ((), partial, ()) = join3(purging, reading_anns, reading_all).await;
    assert!(partial > 0, "a client saw the list while it became shorter");
    assert_eq!(walk(&app, &by_ann).await.movies, [Value::Null; 0]);
    assert_gone(&app, &ann);
    assert_consistent(&app);
}
