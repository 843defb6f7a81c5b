//! The limit of movies per user.

use futures_util::future::{join, join_all};
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, response_snapshot, status_and_code},
    test_app::{MOVIES, TestApp, USERS, delete, movie, post},
};

#[tokio::test]
async fn the_movie_after_the_thousandth_is_refused() {
    const LIMIT: usize = 1_000;
    let app = TestApp::start_with(4, &[]).await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let create =
        |number: usize| app.send(post("/api/movies", &movie(&format!("Movie {number}"))).bearer(&ann.token));
    for first in (0..LIMIT).step_by(4) {
        for response in join_all((first..first + 4).map(create)).await {
            assert_eq!(response.status, 200, "{}", response.body);
        }
    }
    app.proxy.clear_calls();
    let response = create(LIMIT).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[request id]"}, @r#"
    {
      "body": {
        "code": "movie_limit_reached",
        "detail": "You have as many movies as a user may have",
        "error": "You have as many movies as a user may have",
        "request_id": "[request id]",
        "status": 403,
        "title": "Forbidden"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 403
    }
    "#);
    assert_eq!(app.proxy.calls().len(), 2, "the transaction, and the reason of its failure");
    expect_problem(&create(7).await, 403, "movie_limit_reached");
    let account = app.get_account(&ann.token).await.json();
    assert_eq!((&account["movie_count"], &account["movie_limit"]), (&json!(LIMIT), &json!(LIMIT)));
    app.create_movie(&bob, "One of Bob's").await;
    assert_eq!(app.count(MOVIES, "movie#"), LIMIT + 1);

    let own = app.items(MOVIES, "movie#").into_iter().find(|movie| movie["added_by"]["S"] == ann.id);
    let path = format!("/api/movies/{}", own.expect("a movie")["id"]["S"].as_str().expect("an id"));
    assert_eq!(app.send(delete(&path).bearer(&ann.token)).await.status, 200);
    assert_eq!(create(LIMIT).await.status, 200, "a deleted movie makes room");
    expect_problem(&create(LIMIT + 1).await, 403, "movie_limit_reached");
    assert_consistent(&app);
}

#[tokio::test]
async fn of_fifty_creates_with_one_place_left_one_succeeds() {
    const MANY: usize = 50;
    let mut app = TestApp::start_with(1, &[("MOVIES_PER_USER", "3")]).await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "Movie A").await;
    app.create_movie(&ann, "Movie B").await;
    app.kill("create-movie").await;
    app.start_many("create-movie", MANY).await;
    let gate = Gate::new();
    let hold = Rule { times: MANY, ..Rule::once(Fault::Hold(gate.clone())) };
    app.proxy.inject(hold.from("create-movie").on("TransactWriteItems"));
    let creates = (0..MANY)
        .map(|number| app.send(post("/api/movies", &movie(&format!("Movie {number}"))).bearer(&ann.token)));
    let opened = async {
        gate.reached_by(MANY).await;
        gate.open();
    };
    let (responses, ()) = join(join_all(creates), opened).await;
    let refused = responses
        .iter()
        .filter(|response| status_and_code(response) == (403, "movie_limit_reached".to_owned()));
    assert_eq!(refused.count(), MANY - 1, "all but one are refused");
    assert_eq!(responses.iter().filter(|response| response.status == 200).count(), 1);
    assert_eq!(app.item(USERS, &format!("user#{}", ann.id)).expect("ann")["movie_count"]["N"], "3");
    assert_consistent(&app);
}

/// A lower limit deletes no movies of users who have more.
#[tokio::test]
async fn a_lowered_limit_refuses_new_movies_only() {
    let mut app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    for name in ["Alien", "Brazil", "Cabaret"] {
        app.create_movie(&ann, name).await;
    }
    app.redeploy(&["create-movie", "get-account"], &[("MOVIES_PER_USER", "2")]).await;
    let response = app.send(post("/api/movies", &movie("Dune")).bearer(&ann.token)).await;
    expect_problem(&response, 403, "movie_limit_reached");
    let account = app.get_account(&ann.token).await.json();
    assert_eq!((&account["movie_count"], &account["movie_limit"]), (&json!(3), &json!(2)));
    assert_consistent(&app);
}

/// A user who no longer exists at the time of the write gets 401, not the limit.
#[tokio::test]
async fn an_account_deleted_at_the_limit_is_401() {
    let app = TestApp::start_with(1, &[("MOVIES_PER_USER", "1")]).await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "Alien").await;
    let create = post("/api/movies", &movie("Brazil")).bearer(&ann.token);
    let begin_deletion = || app.edit_user(&ann.id, |user| user["status"] = json!({"S": "deleting"}));
    let response = app.send_interrupted(create, "TransactWriteItems", begin_deletion).await;
    expect_problem(&response, 401, "invalid_token");
}
