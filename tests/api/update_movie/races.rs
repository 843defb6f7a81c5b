//! Changes by others between the read and the write of an update: the update is refused or completed, and never half
//! done.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::test_app::{movie_key, movie_path};
use crate::{
    expect::expect_problem,
    test_app::{MOVIES, TestApp, TestUser, put},
};

/// A version that no request of these tests writes, as the table has it.
const OTHER_VERSION: &str = "AZpMXnoxfAi10m8OnTpBxw==";
const STRANGER: &str = "019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f";

/// Returns each way to update a movie, with the action of its write.
fn ways() -> [(Value, &'static str); 4] {
    [
        (json!({"genres": ["Horror"]}), "UpdateItem"),
        (json!({"casts": ["Ripley"], "genres": ["Horror"]}), "UpdateItem"),
        (json!({"name": "ALIEN", "genres": ["Horror"]}), "UpdateItem"),
        (json!({"name": "Aliens", "genres": ["Horror"]}), "TransactWriteItems"),
    ]
}

async fn start() -> (TestApp, TestUser) {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    (app, ann)
}

/// Changes the tables as another rename would.
fn rename_behind(app: &TestApp, movie: &Value, old: &str, new: &str) {
    app.edit_item(MOVIES, &movie_key(movie), |item| {
        item["name"]["S"] = json!(new);
        item["name_key"]["S"] = json!(new);
        item["updated_at"]["S"] = json!("2099-01-01T00:00:00.000Z");
        item["version"]["B"] = json!(OTHER_VERSION);
    });
    app.delete_item(MOVIES, &format!("name#{old}"));
    let claim = json!({"pk": {"S": format!("name#{new}")}, "movie_id": {"S": movie["id"]}});
    app.database.put_item(MOVIES, claim).expect("a claim");
}

#[tokio::test]
async fn a_movie_with_a_new_owner_is_left_alone() {
    let (app, ann) = start().await;
    let movie = app.create_movie(&ann, "Alien").await;
    for (body, operation) in ways() {
        app.edit_item(MOVIES, &movie_key(&movie), |item| item["added_by"]["S"] = json!(ann.id));
        let mut meanwhile = BTreeMap::new();
        let response = app
            .send_interrupted(put(&movie_path(&movie), &body).bearer(&ann.token), operation, || {
                app.edit_item(MOVIES, &movie_key(&movie), |item| item["added_by"]["S"] = json!(STRANGER));
                meanwhile = app.table_contents();
            })
            .await;
        expect_problem(&response, 403, "not_owner");
        assert_eq!(app.table_contents(), meanwhile, "{body}");
    }
}

#[tokio::test]
async fn an_update_does_not_restore_a_deleted_movie() {
    let (app, ann) = start().await;
    for (body, operation) in ways() {
        let movie = app.create_movie(&ann, "Alien").await;
        let response = app
            .send_interrupted(put(&movie_path(&movie), &body).bearer(&ann.token), operation, || {
                app.delete_item(MOVIES, &movie_key(&movie));
                app.delete_item(MOVIES, "name#alien");
            })
            .await;
        expect_problem(&response, 404, "movie_not_found");
        assert_eq!(app.count(MOVIES, ""), 0, "{body}");
    }
}

#[tokio::test]
async fn a_movie_renamed_meanwhile_is_read_again() {
    for (body, operation) in ways() {
        let (app, ann) = start().await;
        let movie = app.create_movie(&ann, "Alien").await;
        let response = app
            .send_interrupted(put(&movie_path(&movie), &body).bearer(&ann.token), operation, || {
                rename_behind(&app, &movie, "alien", "meanwhile");
            })
            .await;
        assert_eq!(response.status, 200, "{}", response.body);
        let name = body["name"].as_str().unwrap_or("meanwhile");
        let changed = response.json();
        assert_eq!((&changed["name"], &changed["genres"]), (&json!(name), &json!(["Horror"])));
        let claim =
            json!({"pk": {"S": format!("name#{}", name.to_lowercase())}, "movie_id": {"S": movie["id"]}});
        assert_eq!(app.items(MOVIES, "name#"), [claim], "{body}");
        let item = app.item(MOVIES, &movie_key(&movie)).expect("the movie");
        assert_eq!((&item["name"]["S"], &item["name_key"]["S"]), (&json!(name), &json!(name.to_lowercase())));
    }
}

/// Another user takes the name that a concurrent rename has freed, and keeps it.
#[tokio::test]
async fn a_freed_name_taken_by_others_is_not_touched() {
    let (app, ann) = start().await;
    let movie = app.create_movie(&ann, "Alien").await;
    let theirs = json!({"pk": {"S": "name#alien"}, "movie_id": {"S": STRANGER}});
    let body = json!({"name": "Aliens"});
    let response = app
        .send_interrupted(put(&movie_path(&movie), &body).bearer(&ann.token), "TransactWriteItems", || {
            rename_behind(&app, &movie, "alien", "meanwhile");
            app.database.put_item(MOVIES, theirs.clone()).expect("a claim");
        })
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    let mine = json!({"pk": {"S": "name#aliens"}, "movie_id": {"S": movie["id"]}});
    let mut claims = app.items(MOVIES, "name#");
    claims.sort_by_key(|claim| claim["pk"]["S"].to_string());
    assert_eq!(claims, [theirs.clone(), mine]);

    // The old name is taken, too.
    let response = app.send(put(&movie_path(&movie), &json!({"name": "Alien"})).bearer(&ann.token)).await;
    expect_problem(&response, 409, "movie_name_taken");
    assert_eq!(app.item(MOVIES, "name#alien"), Some(theirs));
}

#[tokio::test]
async fn a_name_taken_meanwhile_is_a_conflict() {
    let (app, ann) = start().await;
    let movie = app.create_movie(&ann, "Alien").await;
    let mut meanwhile = BTreeMap::new();
    let body = json!({"name": "Aliens", "casts": ["Ripley"]});
    let response = app
        .send_interrupted(put(&movie_path(&movie), &body).bearer(&ann.token), "TransactWriteItems", || {
            let theirs = json!({"pk": {"S": "name#aliens"}, "movie_id": {"S": STRANGER}});
            app.database.put_item(MOVIES, theirs).expect("a claim");
            meanwhile = app.table_contents();
        })
        .await;
    expect_problem(&response, 409, "movie_name_taken");
    assert_eq!(app.table_contents(), meanwhile);
}

/// Both conditions fail: the movie has changed, so it is read again, and the reason follows from the current state.
#[tokio::test]
async fn a_new_owner_is_reported_before_a_taken_name() {
    let (app, ann) = start().await;
    let movie = app.create_movie(&ann, "Alien").await;
    let mut meanwhile = BTreeMap::new();
    let response = app
        .send_interrupted(
            put(&movie_path(&movie), &json!({"name": "Aliens"})).bearer(&ann.token),
            "TransactWriteItems",
            || {
                app.edit_item(MOVIES, &movie_key(&movie), |item| item["added_by"]["S"] = json!(STRANGER));
                let theirs = json!({"pk": {"S": "name#aliens"}, "movie_id": {"S": STRANGER}});
                app.database.put_item(MOVIES, theirs).expect("a claim");
                meanwhile = app.table_contents();
            },
        )
        .await;
    expect_problem(&response, 403, "not_owner");
    assert_eq!(app.table_contents(), meanwhile);
}

/// A rename writes the whole movie. It must not undo a concurrent change of the casts.
#[tokio::test]
async fn concurrent_changes_of_different_fields_are_kept() {
    for name in ["Aliens", "ALIEN"] {
        let (app, ann) = start().await;
        let app = &app;
        let movie = app.create_movie(&ann, "Alien").await;
        let operation = if name == "Aliens" { "TransactWriteItems" } else { "UpdateItem" };
        let response = app
            .send_interrupted(
                put(&movie_path(&movie), &json!({"name": name})).bearer(&ann.token),
                operation,
                || {
                    app.edit_item(MOVIES, &movie_key(&movie), |item| {
                        item["casts"] = json!({"L": [{"S": "Newt"}]});
                        item["updated_at"]["S"] = json!("2099-01-01T00:00:00.000Z");
                        item["version"]["B"] = json!(OTHER_VERSION);
                    });
                },
            )
            .await;
        let changed = response.json();
        assert_eq!((&changed["name"], &changed["casts"]), (&json!(name), &json!(["Newt"])));
        let item = app.item(MOVIES, &movie_key(&movie)).expect("the movie");
        assert_eq!((&item["name"]["S"], &item["casts"]), (&json!(name), &json!({"L": [{"S": "Newt"}]})));
    }
}

/// The number of retries is limited: a client that never succeeds gets 429.
#[tokio::test]
async fn an_update_of_an_ever_changing_movie_is_429() {
    let (app, ann) = start().await;
    let movie = app.create_movie(&ann, "Alien").await;
    let before = app.table_contents();
    let failed =
        local::fault_proxy::Fault::CancellationReasons(vec!["ConditionalCheckFailed", "None", "None"]);
    app.proxy.inject(local::fault_proxy::Rule::always(failed).on("TransactWriteItems"));
    app.proxy.clear_calls();
    let response = app.send(put(&movie_path(&movie), &json!({"name": "Aliens"})).bearer(&ann.token)).await;
    expect_problem(&response, 429, "too_many_concurrent_writes");
    assert_eq!(app.table_contents(), before);
    let writes = app.proxy.calls().iter().filter(|call| call.operation == "TransactWriteItems").count();
    assert_eq!(writes, 5, "the number of retries is limited");
}
