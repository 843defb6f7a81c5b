//! `DELETE /api/movies/{id}`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    bag::{Bag, MOVIES, USERS, delete, get, put},
    expect::{expect_problem, whole},
};

const STRANGER: &str = "019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f";

fn path(movie: &Value) -> String {
    format!("/api/movies/{}", movie["id"].as_str().expect("an id"))
}

fn key(movie: &Value) -> String {
    format!("movie#{}", movie["id"].as_str().expect("an id"))
}

fn count(bag: &Bag, user: &str) -> Value {
    bag.item(USERS, &format!("user#{user}")).expect("a user")["movie_count"]["N"].clone()
}

#[tokio::test]
async fn a_deleted_movie_is_gone_and_its_name_free() {
    let bag = Bag::start().await;
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    let other = bag.movie(&ann, "Brazil").await;
    let without = bag.contents();
    let movie = bag.movie(&ann, "Alien").await;
    let response = bag.send(delete(&path(&movie)).bearer(&ann.token)).await;
    assert_eq!(response.json()["id"], movie["id"]);
    insta::assert_json_snapshot!(whole(&response), {".body.id" => "[id]"}, @r#"
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
    assert_eq!(bag.contents(), without, "movie, claim and count are as if it had never been");
    expect_problem(&bag.send(get(&path(&movie))).await, 404, "movie_not_found");
    assert_eq!(bag.send(get("/api/movies")).await.json(), json!([other]));

    for request in [delete(&path(&movie)), put(&path(&movie), &json!({"name": "Alien"}))] {
        let response = bag.send(request.bearer(&ann.token)).await;
        expect_problem(&response, 404, "movie_not_found");
        assert_eq!(bag.contents(), without);
    }
    let again = bag.movie(&bob, "ALIEN").await;
    assert_ne!(again["id"], movie["id"]);
    assert_eq!((count(&bag, &ann.id), count(&bag, &bob.id)), (json!("1"), json!("1")));
}

#[tokio::test]
async fn a_renamed_movie_frees_the_name_it_has_now() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let without = bag.contents();
    let movie = bag.movie(&ann, "Alien").await;
    let renamed = bag.send(put(&path(&movie), &json!({"name": "Aliens"})).bearer(&ann.token)).await;
    assert_eq!(renamed.status, 200);
    assert_eq!(bag.send(delete(&path(&movie)).bearer(&ann.token)).await.status, 200);
    assert_eq!(bag.contents(), without);
}

/// The claim is found by the stored canonical name, also where today's rules would make another one.
#[tokio::test]
async fn a_claim_of_older_rules_is_freed_too() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let without = bag.contents();
    let movie = bag.movie(&ann, "Alien").await;
    bag.edit(MOVIES, &key(&movie), |item| item["name_key"]["S"] = json!("a l i e n"));
    bag.remove(MOVIES, "name#alien");
    let claim = json!({"pk": {"S": "name#a l i e n"}, "movie_id": {"S": movie["id"]}});
    bag.database.put_item(MOVIES, claim).expect("a claim");
    assert_eq!(bag.send(delete(&path(&movie)).bearer(&ann.token)).await.status, 200);
    assert_eq!(bag.contents(), without);
}

#[tokio::test]
async fn a_body_means_nothing_here() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let movie = bag.movie(&ann, "Alien").await;
    let response = bag.send(delete(&path(&movie)).bearer(&ann.token).body("{not JSON")).await;
    assert_eq!(response.status, 200);
    assert_eq!(bag.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn a_movie_that_becomes_somebody_elses_is_left_alone() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let movie = bag.movie(&ann, "Alien").await;
    let mut meanwhile = BTreeMap::new();
    let response = bag
        .send_interrupted(delete(&path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            bag.edit(MOVIES, &key(&movie), |item| item["added_by"]["S"] = json!(STRANGER));
            meanwhile = bag.contents();
        })
        .await;
    expect_problem(&response, 403, "not_owner");
    assert_eq!(bag.contents(), meanwhile);
}

#[tokio::test]
async fn a_movie_that_is_deleted_in_between_is_counted_off_once() {
    let bag = Bag::start_with(2, &[]).await;
    let ann = bag.person("ann").await;
    let movie = bag.movie(&ann, "Alien").await;
    bag.movie(&ann, "Brazil").await;
    let key_of_ann = format!("user#{}", ann.id);
    let response = bag
        .send_interrupted(delete(&path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            bag.remove(MOVIES, &key(&movie));
            bag.remove(MOVIES, "name#alien");
            bag.edit(USERS, &key_of_ann, |user| user["movie_count"]["N"] = json!("1"));
        })
        .await;
    expect_problem(&response, 404, "movie_not_found");
    assert_eq!(count(&bag, &ann.id), "1");
    assert_eq!((bag.count(MOVIES, "movie#"), bag.count(MOVIES, "name#")), (1, 1));
}

#[tokio::test]
async fn a_movie_that_is_changed_in_between_is_still_deleted() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let without = bag.contents();
    let movie = bag.movie(&ann, "Alien").await;
    let response = bag
        .send_interrupted(delete(&path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            bag.edit(MOVIES, &key(&movie), |item| item["genres"] = json!({"L": [{"S": "Horror"}]}));
        })
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(bag.contents(), without);
}

/// The old name is somebody else's by the time of the write, and stays theirs.
#[tokio::test]
async fn a_movie_that_is_renamed_in_between_takes_only_its_own_claim_with_it() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let movie = bag.movie(&ann, "Alien").await;
    let theirs = json!({"pk": {"S": "name#alien"}, "movie_id": {"S": STRANGER}});
    let response = bag
        .send_interrupted(delete(&path(&movie)).bearer(&ann.token), "TransactWriteItems", || {
            bag.edit(MOVIES, &key(&movie), |item| item["name_key"]["S"] = json!("aliens"));
            let mine = json!({"pk": {"S": "name#aliens"}, "movie_id": {"S": movie["id"]}});
            bag.database.put_item(MOVIES, mine).expect("a claim");
            bag.database.put_item(MOVIES, theirs.clone()).expect("a claim");
        })
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(bag.items(MOVIES, ""), [theirs]);
    assert_eq!(count(&bag, &ann.id), "0");
}
