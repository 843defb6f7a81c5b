//! Writes of one version at the same time, and lost responses.

use std::collections::BTreeMap;

use futures_util::future::join;
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};

use super::{one_movie, updates};
use crate::{
    concurrency::{MANY, at_once, counts},
    consistency::assert_consistent,
    expect::expect_problem,
    test_app::{MOVIES, TestApp, delete, etag, get, movie_key, movie_path, put, stored_version},
};

/// The write of each of [`updates`].
const WRITES: [&str; 4] = ["UpdateItem", "UpdateItem", "UpdateItem", "TransactWriteItems"];

/// Of 50 updates of one version, one succeeds, and the movie is as that one left it.
async fn one_update_succeeds(write: &str, body: impl Fn(usize) -> Value) {
    let app = TestApp::start().await;
    let (ann, path, tag) = one_movie(&app).await;
    let request = |number| put(&path, &body(number)).bearer(&ann.token).header("if-match", &tag);
    let responses = at_once(&app, "update-movie", write, (0..MANY).map(request).collect()).await;

    let refused = ("412 precondition_failed".to_owned(), MANY - 1);
    assert_eq!(counts(&responses), BTreeMap::from([("200".to_owned(), 1), refused]));
    let winner = responses.iter().find(|response| response.status == 200).expect("a winner");
    let now = app.send(get(&path)).await;
    assert_eq!((etag(&now), now.json()), (etag(winner), winner.json()));
    assert_consistent(&app);
}

#[tokio::test]
async fn one_of_50_updates_of_a_version_succeeds() {
    one_update_succeeds("UpdateItem", |number| json!({"genres": [format!("Genre {number}")]})).await;
}

#[tokio::test]
async fn one_of_50_new_spellings_of_a_version_succeeds() {
    one_update_succeeds(
        "UpdateItem",
        |number| json!({"name": "HEAT", "genres": [format!("Genre {number}")]}),
    )
    .await;
}

#[tokio::test]
async fn one_of_50_renames_of_a_version_succeeds() {
    one_update_succeeds("TransactWriteItems", |number| json!({"name": format!("Heat {number}")})).await;
}

/// The movie changes between the read and the write of the request.
#[tokio::test]
async fn a_change_during_a_conditional_write_makes_it_412() {
    let app = TestApp::start().await;
    let (ann, path, mut tag) = one_movie(&app).await;
    app.start_many("update-movie", 2).await;
    let conditional = [
        (put(&path, &updates()[0]), "UpdateItem"),
        (put(&path, &json!({"name": "HEAT"})), "UpdateItem"),
        (put(&path, &json!({"name": "Ronin"})), "TransactWriteItems"),
        (delete(&path), "TransactWriteItems"),
    ];
    for (request, write) in conditional {
        let gate = Gate::new();
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).on(write));
        let held = app.send(request.bearer(&ann.token).header("if-match", &tag));
        let change = async {
            gate.reached().await;
            let response = app.send(put(&path, &json!({"genres": ["Crime"]})).bearer(&ann.token)).await;
            gate.open();
            response
        };
        let (held, change) = join(held, change).await;
        expect_problem(&held, 412, "precondition_failed");
        assert_eq!(change.status, 200, "{}", change.body);
        tag = etag(&change).to_owned();
        assert_eq!(app.items(MOVIES, "movie#")[0]["version"]["B"], stored_version(&change));
        assert_consistent(&app);
    }
}

/// The write succeeds, its response is lost, and the SDK repeats it: the request must not be refused because of itself.
#[tokio::test]
async fn a_lost_conditional_write_does_not_refuse_itself() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    for (body, write) in updates().into_iter().zip(WRITES) {
        let movie = app.create_movie(&ann, "Heat").await;
        let path = movie_path(&movie);
        let tag = etag(&app.send(get(&path)).await).to_owned();
        app.proxy.clear_calls();
        app.proxy.inject(Rule::once(Fault::LoseResponse).from("update-movie").on(write));
        let response = app.send(put(&path, &body).bearer(&ann.token).header("if-match", &tag)).await;
        assert_eq!(response.status, 200, "{body}: {}", response.body);
        let calls = app.proxy.calls_of("update-movie");
        let writes = calls.iter().filter(|call| call.operation == write).count();
        assert_eq!(writes, 2, "{body} was repeated");
        let stored = app.item(MOVIES, &movie_key(&movie)).expect("the movie");
        assert_eq!(stored["version"]["B"], stored_version(&response));

        app.proxy.inject(Rule::once(Fault::LoseResponse).from("delete-movie").on("TransactWriteItems"));
        let deletion = delete(&path).bearer(&ann.token).header("if-match", etag(&response));
        assert_eq!(app.send(deletion).await.status, 200);
    }
    assert_consistent(&app);
}

/// Sends an update. `meanwhile` happens after its write, whose response is lost, and before the SDK repeats the write.
async fn with_lost_response<Output>(
    app: &TestApp,
    update: HttpRequest,
    write: &str,
    meanwhile: impl Future<Output = Output>,
) -> (HttpResponse, Output) {
    app.start_many("update-movie", 2).await;
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::LoseResponse).from("update-movie").on(write));
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("update-movie").on(write));
    let between = async {
        gate.reached().await;
        let output = meanwhile.await;
        gate.open();
        output
    };
    join(app.send(update), between).await
}

/// The response of a write is lost, and another update follows before the SDK repeats the write. The tag that clients may
/// have read in between must not come back, because it would stand for two states of the movie.
#[tokio::test]
async fn a_tag_never_comes_back_after_a_lost_response() {
    for (body, write) in updates().into_iter().zip(WRITES) {
        let app = TestApp::start().await;
        let (ann, path, created) = one_movie(&app).await;
        let (lost, (read, other)) =
            with_lost_response(&app, put(&path, &body).bearer(&ann.token), write, async {
                let read = etag(&app.send(get(&path)).await).to_owned();
                let other =
                    app.send(put(&path, &json!({"casts": ["Robert De Niro"]})).bearer(&ann.token)).await;
                (read, etag(&other).to_owned())
            })
            .await;
        assert_eq!(lost.status, 200, "{body}: {}", lost.body);
        let now = app.send(get(&path)).await;
        assert!(![&created, &read].contains(&&etag(&now).to_owned()), "{body}: {read} came back");
        let stale = put(&path, &updates()[0]).bearer(&ann.token).header("if-match", &read);
        expect_problem(&app.send(stale).await, 412, "precondition_failed");
        // A transaction is recognized by its token, so its repetition writes nothing.
        assert_eq!(etag(&now) == other, write == "TransactWriteItems", "{body}");
        assert_consistent(&app);
    }
}

/// With `if-match`, the update that came in between is kept.
#[tokio::test]
async fn a_lost_conditional_write_does_not_undo_another() {
    for (body, write) in updates().into_iter().zip(WRITES).filter(|(_, write)| *write == "UpdateItem") {
        let app = TestApp::start().await;
        let (ann, path, tag) = one_movie(&app).await;
        let conditional = put(&path, &body).bearer(&ann.token).header("if-match", &tag);
        let other = app.send(put(&path, &json!({"casts": ["Robert De Niro"]})).bearer(&ann.token));
        let (lost, between) = with_lost_response(&app, conditional, write, other).await;
        expect_problem(&lost, 412, "precondition_failed");
        assert_eq!(app.send(get(&path)).await.json(), between.json(), "{body}");
    }
}
