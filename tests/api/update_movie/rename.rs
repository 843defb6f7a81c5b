//! Names that change, and the claims that move with them.

use serde_json::{Value, json};

use super::{key, path};
use crate::{
    bag::{Bag, MOVIES, Person, movie, post, put},
    expect::expect_problem,
};

/// The keys of all claims with the ids of the movies that hold them.
fn claims(bag: &Bag) -> Vec<(String, String)> {
    let text = |value: &Value| value["S"].as_str().expect("a text").to_owned();
    let mut claims: Vec<_> = bag
        .items(MOVIES, "name#")
        .iter()
        .map(|claim| (text(&claim["pk"]), text(&claim["movie_id"])))
        .collect();
    claims.sort();
    claims
}

async fn rename(bag: &Bag, movie: &Value, owner: &Person, name: &str) -> Value {
    let response = bag.send(put(&path(movie), &json!({"name": name})).bearer(&owner.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

fn claim(name: &str, movie: &Value) -> (String, String) {
    (format!("name#{name}"), movie["id"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn a_name_is_changed_to_itself_in_other_spellings() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let movie = bag.movie(&ann, "Straße").await;
    for name in ["Straße", "STRASSE", "  strasse ", "Stra\u{ad}sse", "Ｓtraße"] {
        bag.proxy.clear_calls();
        let changed = rename(&bag, &movie, &ann, name).await;
        assert_eq!(changed["name"], name.trim());
        let item = bag.item(MOVIES, &key(&movie)).expect("the movie");
        assert_eq!((&item["name"]["S"], &item["name_key"]["S"]), (&json!(name.trim()), &json!("strasse")));
        assert_eq!(claims(&bag), [claim("strasse", &movie)]);
        assert!(bag.proxy.calls().iter().all(|call| call.operation != "TransactWriteItems"), "{name}");
    }
}

#[tokio::test]
async fn a_rename_takes_the_new_name_and_frees_the_old() {
    let bag = Bag::start().await;
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    let movie_of_ann = bag.movie(&ann, "Alien").await;
    let renamed = rename(&bag, &movie_of_ann, &ann, "Aliens").await;
    assert_eq!(claims(&bag), [claim("aliens", &renamed)]);

    let taken = bag.send(post("/api/movies", &movie("ALIENS")).bearer(&bob.token)).await;
    expect_problem(&taken, 409, "movie_name_taken");
    let movie_of_bob = bag.movie(&bob, "ALIEN").await;
    assert_eq!(claims(&bag), [claim("alien", &movie_of_bob), claim("aliens", &renamed)]);

    // Round a corner: each takes what the other has left.
    rename(&bag, &movie_of_ann, &ann, "Somewhere else").await;
    rename(&bag, &movie_of_bob, &bob, "Aliens").await;
    rename(&bag, &movie_of_ann, &ann, "Alien").await;
    assert_eq!(claims(&bag), [claim("alien", &movie_of_ann), claim("aliens", &movie_of_bob)]);
    assert_eq!(bag.count(MOVIES, "movie#"), 2);
}

#[tokio::test]
async fn a_taken_name_changes_nothing() {
    let bag = Bag::start().await;
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    let movie = bag.movie(&ann, "Alien").await;
    bag.movie(&ann, "Ann's other").await;
    bag.movie(&bob, "Bob's").await;
    let before = bag.contents();
    for name in ["Ann's other", "ANN'S OTHER", "bob's", " BOB'S "] {
        let body = json!({"name": name, "casts": ["Nobody"], "genres": ["None"]});
        let response = bag.send(put(&path(&movie), &body).bearer(&ann.token)).await;
        expect_problem(&response, 409, "movie_name_taken");
        assert_eq!(bag.contents(), before, "{name}");
    }
}
