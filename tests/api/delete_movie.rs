//! `DELETE /api/movies/{id}`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    expect::{expect_problem, response_snapshot},
    test_app::{MOVIES, TestApp, USERS, delete, get, movie_key, movie_path, put},
};

const STRANGER: &str = "019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f";

fn count(app: &TestApp, user: &str) -> Value {
    app.item(USERS, &format!("user#{user}")).expect("a user")["movie_count"]["N"].clone()
}

#[tokio::test]
async fn a_deleted_movie_is_gone_and_its_name_free() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let other = app.create_movie(&ann, "Brazil").await;
    let without = app.table_contents();
    let movie = app.create_movie(&ann, "Alien").await;
    let response = app.send(delete(&movie_path(&movie)).bearer(&ann.token)).await;
    assert_eq!(response.json()["id"], movie["id"]);
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.id" => "[id]"}, @r#"
    {
      "body": {
        "id": "[id]"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
    assert_eq!(app.table_contents(), without, "the movie and its claim are gone, and the count is as before");
    expect_problem(&app.send(get(&movie_path(&movie))).await, 404, "movie_not_found");
    assert_eq!(app.send(get("/api/movies")).await.json(), json!([other]));

    for request in [delete(&movie_path(&movie)), put(&movie_path(&movie), &json!({"name": "Alien"}))] {
        let response = app.send(request.bearer(&ann.token)).await;
        expect_problem(&response, 404, "movie_not_found");
        assert_eq!(app.table_contents(), without);
    }
    let again = app.create_movie(&bob, "ALIEN").await;
    assert_ne!(again["id"], movie["id"]);
    assert_eq!((count(&app, &ann.id), count(&app, &bob.id)), (json!("1"), json!("1")));
}

#[tokio::test]
async fn a_renamed_movie_frees_the_name_it_has_now() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let without = app.table_contents();
    let movie = app.create_movie(&ann, "Alien").await;
    let renamed = app.send(put(&movie_path(&movie), &json!({"name": "Aliens"})).bearer(&ann.token)).await;
    assert_eq!(renamed.status, 200);
    assert_eq!(app.send(delete(&movie_path(&movie)).bearer(&ann.token)).await.status, 200);
    assert_eq!(app.table_contents(), without);
}

/// The claim is found by the stored canonical name, even if the current rules produce another one.
#[tokio::test]
async fn a_claim_of_older_rules_is_freed() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let without = app.table_contents();
    let movie = app.create_movie(&ann, "Alien").await;
    app.edit_item(MOVIES, &movie_key(&movie), |item| item["name_key"]["S"] = json!("a l i e n"));
    app.delete_item(MOVIES, "name#alien");
    let claim = json!({"pk": {"S": "name#a l i e n"}, "movie_id": {"S": movie["id"]}});
    app.database.put_item(MOVIES, claim).expect("a claim");
    assert_eq!(app.send(delete(&movie_path(&movie)).bearer(&ann.token)).await.status, 200);
    assert_eq!(app.table_contents(), without);
}

#[tokio::test]
async fn a_body_of_a_deletion_is_ignored() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    let response = app.send(delete(&movie_path(&movie)).bearer(&ann.token).body("{not JSON")).await;
    assert_eq!(response.status, 200);
    assert_eq!(app.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn a_movie_with_a_new_owner_is_left_alone() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    let mut meanwhile = BTreeMap::new();
    let response = app
        .send_interrupted(delete(&movie_path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            app.edit_item(MOVIES, &movie_key(&movie), |item| item["added_by"]["S"] = json!(STRANGER));
            meanwhile = app.table_contents();
        })
        .await;
    expect_problem(&response, 403, "not_owner");
    assert_eq!(app.table_contents(), meanwhile);
}

#[tokio::test]
async fn a_movie_deleted_twice_is_counted_off_once() {
    let app = TestApp::start_with(2, &[]).await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    app.create_movie(&ann, "Brazil").await;
    let key_of_ann = format!("user#{}", ann.id);
    let response = app
        .send_interrupted(delete(&movie_path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            app.delete_item(MOVIES, &movie_key(&movie));
            app.delete_item(MOVIES, "name#alien");
            app.edit_item(USERS, &key_of_ann, |user| user["movie_count"]["N"] = json!("1"));
        })
        .await;
    expect_problem(&response, 404, "movie_not_found");
    assert_eq!(count(&app, &ann.id), "1");
    assert_eq!((app.count(MOVIES, "movie#"), app.count(MOVIES, "name#")), (1, 1));
}

#[tokio::test]
async fn a_movie_changed_meanwhile_is_still_deleted() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let without = app.table_contents();
    let movie = app.create_movie(&ann, "Alien").await;
    let response = app
        .send_interrupted(delete(&movie_path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            app.edit_item(MOVIES, &movie_key(&movie), |item| {
                item["genres"] = json!({"L": [{"S": "Horror"}]});
            });
        })
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(app.table_contents(), without);
}

/// Another movie has taken the old name by the time of the write, and keeps it.
#[tokio::test]
async fn a_movie_renamed_meanwhile_frees_only_its_own_claim() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    let theirs = json!({"pk": {"S": "name#alien"}, "movie_id": {"S": STRANGER}});
    let response = app
        .send_interrupted(delete(&movie_path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            app.edit_item(MOVIES, &movie_key(&movie), |item| item["name_key"]["S"] = json!("aliens"));
            let mine = json!({"pk": {"S": "name#aliens"}, "movie_id": {"S": movie["id"]}});
            app.database.put_item(MOVIES, mine).expect("a claim");
            app.database.put_item(MOVIES, theirs.clone()).expect("a claim");
        })
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(app.items(MOVIES, ""), [theirs]);
    assert_eq!(count(&app, &ann.id), "0");
}
