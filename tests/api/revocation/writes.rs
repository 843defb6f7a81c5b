//! Writes of movies in flight while the sessions of their user end, and writes with a revoked token beside the owner's.

use futures_util::future::{join, join_all};
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::json;

use super::{ENDINGS, Ending};
use crate::{
    consistency::assert_consistent,
    expect::expect_problem,
    test_app::{MOVIES, Owner, TestApp, USERS, delete, movie, post, put},
};

#[tokio::test]
async fn a_movie_write_in_flight_is_refused_when_its_session_ends() {
    for ending in ENDINGS {
        for operation in ["create-movie", "delete-movie"] {
            let app = TestApp::start().await;
            let Owner { user, movie_id, .. } = app.create_owner("ann").await;
            let elsewhere = app.new_token(&user.email).await;
            let request = match operation {
                "create-movie" => post("/api/movies", &movie("In flight")),
                _ => delete(&format!("/api/movies/{movie_id}")),
            };
            let gate = Gate::new();
            app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(operation).on("TransactWriteItems"));
            let ended = async {
                gate.reached().await;
                ending.perform(&app, &elsewhere).await;
                let contents = app.table_contents();
                gate.open();
                contents
            };
            let (response, contents) = join(app.send(request.bearer(&user.token)), ended).await;
            expect_problem(&response, 401, "invalid_token");
            assert_eq!(app.table_contents(), contents, "{operation} while {ending:?}");
            let reason = if ending == Ending::DeleteAccount { "user_gone" } else { "revoked" };
            let request_id = response.json()["request_id"].as_str().expect("an id").to_owned();
            app.wait_for_log_with(&[&request_id, "token_refused", reason]).await;
            assert_consistent(&app);
        }
    }
}

/// An update with a name reads the session together with the movie, and its writes have no condition on the session.
#[tokio::test]
async fn an_ended_session_cannot_rename_a_movie() {
    let app = TestApp::start().await;
    for ending in ENDINGS {
        let owner = app.create_owner(ending.operation()).await;
        ending.perform(&app, &owner.user.token).await;
        let before = app.table_contents();
        for name in ["Ronin", &owner.movie_name.to_uppercase()] {
            let rename = put(&owner.movie_path(), &json!({"name": name})).bearer(&owner.user.token);
            expect_problem(&app.send(rename).await, 401, "invalid_token");
        }
        assert_eq!(app.table_contents(), before, "{ending:?}");
    }
}

/// A create with a revoked token fails a condition on the user's item instead of reading it, so it takes part in the
/// conflicts between the user's writes. The SDK's retries hide them from the owner, who sees no error.
#[tokio::test]
async fn creates_with_a_revoked_token_do_not_fail_the_owners() {
    let app = TestApp::start().await;
    app.start_many("create-movie", 10).await;
    let ann = app.create_user("ann").await;
    Ending::Logout.perform(&app, &ann.token).await;
    let current = app.new_token(&ann.email).await;
    // The emulator runs one transaction after the other. DynamoDB refuses concurrent transactions on Ann's item.
    let conflicts = Rule { times: 40, ..Rule::once(Fault::TransactionConflict { position: 2 }) };
    app.proxy.inject(conflicts.from("create-movie").on("TransactWriteItems"));
    let send = |name: String, token: &str| app.send(post("/api/movies", &movie(&name)).bearer(token));
    let revoked = join_all((0..20).map(|number| send(format!("Revoked {number}"), &ann.token)));
    let own = join_all((0..20).map(|number| send(format!("Own {number}"), &current)));
    let (revoked, own) = join(revoked, own).await;
    for response in revoked {
        expect_problem(&response, 401, "invalid_token");
    }
    for response in own {
        assert_eq!(response.status, 200, "{}", response.body);
    }
    assert_eq!(app.count(MOVIES, "name#own "), 20);
    assert_eq!(app.count(MOVIES, "name#revoked "), 0);
    let user = app.item(USERS, &format!("user#{}", ann.id)).expect("the user");
    assert_eq!(user["movie_count"], json!({"N": "20"}));
    assert_consistent(&app);
}

#[tokio::test]
async fn a_revoked_token_whose_write_keeps_conflicting_is_401() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    Ending::Logout.perform(&app, &ann.token).await;
    app.proxy.inject(
        Rule::always(Fault::TransactionConflict { position: 2 })
            .from("create-movie")
            .on("TransactWriteItems"),
    );
    let response = app.send(post("/api/movies", &movie("Heat")).bearer(&ann.token)).await;
    expect_problem(&response, 401, "invalid_token");
    assert_consistent(&app);
}
