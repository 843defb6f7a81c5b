//! Names that change, and the claims that move with them.

use serde_json::{Value, json};

use crate::test_app::{movie_key, movie_path};
use crate::{
    expect::expect_problem,
    test_app::{MOVIES, TestApp, TestUser, movie, post, put},
};

/// Returns the keys of all claims with the ids of their movies.
fn claims(app: &TestApp) -> Vec<(String, String)> {
    let text = |value: &Value| value["S"].as_str().expect("a text").to_owned();
    let mut claims: Vec<_> = app
        .items(MOVIES, "name#")
        .iter()
        .map(|claim| (text(&claim["pk"]), text(&claim["movie_id"])))
        .collect();
    claims.sort();
    claims
}

async fn rename(app: &TestApp, movie: &Value, owner: &TestUser, name: &str) -> Value {
    let response = app.send(put(&movie_path(movie), &json!({"name": name})).bearer(&owner.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

fn claim(name: &str, movie: &Value) -> (String, String) {
    (format!("name#{name}"), movie["id"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn a_movie_can_get_its_own_name_in_another_spelling() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Straße").await;
    for name in ["Straße", "STRASSE", "  strasse ", "Stra\u{ad}sse", "Ｓtraße"] {
        app.proxy.clear_calls();
        let changed = rename(&app, &movie, &ann, name).await;
        assert_eq!(changed["name"], name.trim());
        let item = app.item(MOVIES, &movie_key(&movie)).expect("the movie");
        assert_eq!((&item["name"]["S"], &item["name_key"]["S"]), (&json!(name.trim()), &json!("strasse")));
        assert_eq!(claims(&app), [claim("strasse", &movie)]);
        assert!(app.proxy.calls().iter().all(|call| call.operation != "TransactWriteItems"), "{name}");
    }
}

#[tokio::test]
async fn a_rename_takes_the_new_name_and_frees_the_old() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let movie_of_ann = app.create_movie(&ann, "Alien").await;
    let renamed = rename(&app, &movie_of_ann, &ann, "Aliens").await;
    assert_eq!(claims(&app), [claim("aliens", &renamed)]);

    let taken = app.send(post("/api/movies", &movie("ALIENS")).bearer(&bob.token)).await;
    expect_problem(&taken, 409, "movie_name_taken");
    let movie_of_bob = app.create_movie(&bob, "ALIEN").await;
    assert_eq!(claims(&app), [claim("alien", &movie_of_bob), claim("aliens", &renamed)]);

    // Each rename takes the name that the one before has freed.
    rename(&app, &movie_of_ann, &ann, "Somewhere else").await;
    rename(&app, &movie_of_bob, &bob, "Aliens").await;
    rename(&app, &movie_of_ann, &ann, "Alien").await;
    assert_eq!(claims(&app), [claim("alien", &movie_of_ann), claim("aliens", &movie_of_bob)]);
    assert_eq!(app.count(MOVIES, "movie#"), 2);
}

#[tokio::test]
async fn a_rename_to_a_taken_name_changes_nothing() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let movie = app.create_movie(&ann, "Alien").await;
    app.create_movie(&ann, "Ann's other").await;
    app.create_movie(&bob, "Bob's").await;
    let before = app.table_contents();
    for name in ["Ann's other", "ANN'S OTHER", "bob's", " BOB'S "] {
        let body = json!({"name": name, "casts": ["Nobody"], "genres": ["None"]});
        let response = app.send(put(&movie_path(&movie), &body).bearer(&ann.token)).await;
        expect_problem(&response, 409, "movie_name_taken");
        assert_eq!(app.table_contents(), before, "{name}");
    }
}
