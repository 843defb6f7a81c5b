//! A list that changes while a client reads its pages.

use std::cell::Cell;

use futures_util::future::{join, join_all};
use local::gateway::HttpRequest;
use serde_json::{Value, json};

use super::{copies, movies, names, next, walk};
use crate::test_app::{TestApp, TestUser, delete, get, movie_path, put};

fn path(movies: &[Value], name: &str) -> String {
    let movie = movies.iter().find(|movie| movie["name"] == name).expect("the movie");
    movie_path(movie)
}

#[tokio::test]
async fn a_walk_survives_created_deleted_and_renamed_movies() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["b", "d", "f", "h", "j", "l", "n"]).await;
    let all = walk(&app, "/api/movies").await.movies;
    let change = async |request: HttpRequest| {
        let response = app.send(request.bearer(&ann.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
    };

    let first = app.send(get("/api/movies?limit=2")).await;
    assert_eq!(names(first.json().as_array().expect("an array")), ["b", "d"]);
    // The movie that the cursor names is deleted, and others are created before and after it.
    change(delete(&path(&all, "d"))).await;
    movies(&app, &ann, &["a", "c", "e"]).await;
    let second = app.send(get(&next(&first).expect("a link"))).await;
    assert_eq!(names(second.json().as_array().expect("an array")), ["e", "f"]);

    // The movie that the cursor names moves to the end, the next one to the beginning, and another one takes its name.
    change(put(&path(&all, "f"), &json!({"name": "z"}))).await;
    change(put(&path(&all, "h"), &json!({"name": "0"}))).await;
    movies(&app, &ann, &["H"]).await;
    // A new spelling and new genres do not change the position.
    change(put(&path(&all, "j"), &json!({"name": "J", "genres": ["War"]}))).await;
    let rest = walk(&app, &next(&second).expect("a link")).await;
    assert_eq!(names(&rest.movies), ["H", "J", "l", "n", "z"]);
    assert_eq!(rest.sizes, [2, 2, 1]);

    let fresh = walk(&app, "/api/movies?limit=3").await;
    assert_eq!(names(&fresh.movies), ["0", "a", "b", "c", "e", "H", "J", "l", "n", "z"]);
}

#[tokio::test]
async fn a_walk_ends_if_all_later_movies_are_deleted() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["a", "b", "c"]).await;
    let all = walk(&app, "/api/movies").await.movies;
    let page = app.send(get("/api/movies?limit=1")).await;
    for name in ["a", "b", "c"] {
        assert_eq!(app.send(delete(&path(&all, name)).bearer(&ann.token)).await.status, 200);
    }
    let last = app.send(get(&next(&page).expect("a link"))).await;
    assert_eq!((last.status, last.json(), next(&last)), (200, json!([]), None));
}

/// A cursor is a position, not a permission, and does not expire: a client can request the same page again.
#[tokio::test]
async fn a_cursor_can_be_used_again_and_with_another_limit() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["a", "b", "c", "d", "e"]).await;
    let page = app.send(get("/api/movies?limit=2")).await;
    let target = next(&page).expect("a link");
    let once = app.send(get(&target)).await;
    assert_eq!(app.send(get(&target)).await.json(), once.json());
    let cursor = target.split("cursor=").nth(1).expect("a cursor");
    for (query, expected) in [
        (format!("cursor={cursor}"), &["c", "d", "e"][..]),
        (format!("cursor={cursor}&limit=1"), &["c"]),
        (format!("limit=3&cursor={cursor}"), &["c", "d", "e"]),
    ] {
        let page = app.send(get("/api/movies").query(query)).await;
        assert_eq!(names(page.json().as_array().expect("an array")), expected);
    }
}

/// Movies move into the prefix and out of it, before the position of the client and after it.
#[tokio::test]
async fn a_filtered_walk_survives_movies_that_begin_or_cease_to_fit() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["ma", "mc", "me", "mg", "mi", "a", "b", "z"]).await;
    let all = walk(&app, "/api/movies").await.movies;
    for user in [String::new(), format!("&added_by={}", ann.id)] {
        let rename = async |from: &str, to: &str| {
            let request = put(&path(&all, from), &json!({"name": to})).bearer(&ann.token);
            assert_eq!(app.send(request).await.status, 200, "{from} to {to}");
        };
        let first = app.send(get(&format!("/api/movies?name_prefix=m&limit=2{user}"))).await;
        assert_eq!(names(first.json().as_array().expect("an array")), ["ma", "mc"]);
        // The movie that the cursor names leaves, one comes before the position and one after it.
        rename("mc", "c").await;
        rename("a", "mb").await;
        rename("z", "mf").await;
        let second = app.send(get(&next(&first).expect("a link"))).await;
        assert_eq!(names(second.json().as_array().expect("an array")), ["me", "mf"]);
        // The next one leaves, and one that has been listed comes back further on.
        rename("mg", "g").await;
        rename("mc", "mj").await;
        let rest = walk(&app, &next(&second).expect("a link")).await;
        assert_eq!(names(&rest.movies), ["mi", "mj"]);
        for name in ["a", "z", "mc", "mg"] {
            rename(name, name).await;
        }
    }
}

/// The position of the next name, which is different from those of the last names.
fn scattered(counter: &Cell<usize>) -> usize {
    counter.set(counter.get() + 1);
    counter.get() * 37 % 101
}

/// Gives a movie name after name until the walks are over: in turn a name that begins with "in", and one that does not.
async fn keep_renaming(
    app: &TestApp,
    owner: &TestUser,
    movie: &Value,
    renames: &Cell<usize>,
    over: &Cell<bool>,
) {
    let id = movie["id"].as_str().expect("an id");
    for turn in 0.. {
        let begin = ["in", "out", "in", "im", "in", "io"][turn % 6];
        let name = format!("{begin} {:03}.5 {id}", scattered(renames));
        let response = app.send(put(&movie_path(movie), &json!({"name": name})).bearer(&owner.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
        if over.get() {
            return;
        }
    }
}

/// Creates a movie and deletes it, again and again.
async fn keep_recreating(app: &TestApp, owner: &TestUser, changes: &Cell<usize>, over: &Cell<bool>) {
    while !over.get() {
        let movie = app.create_movie(owner, &format!("in {:03}.7", scattered(changes))).await;
        let response = app.send(delete(&movie_path(&movie)).bearer(&owner.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
    }
}

#[tokio::test]
async fn movies_that_always_fit_are_listed_once_despite_renames() {
    const STEADY: usize = 60;
    const WALKS: usize = 5;
    let app = TestApp::start().await;
    app.start_many("update-movie", 4).await;
    app.start_many("list-movies", 3).await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    app.create_movie(&ann, "in 000").await;
    copies(&app, STEADY - 1, |number| format!("in {number:03}"));
    let all = walk(&app, "/api/movies").await.movies;
    let steady: Vec<&Value> = all.iter().collect();
    let mut movers = Vec::new();
    for (number, owner) in [&ann, &ann, &ann, &bob].into_iter().enumerate() {
        movers.push((owner, app.create_movie(owner, &format!("mover {number}")).await));
    }
    let (renames, creations, over) = (Cell::new(0), Cell::new(0), Cell::new(false));
    let moving =
        join_all(movers.iter().map(|(owner, movie)| keep_renaming(&app, owner, movie, &renames, &over)));
    let recreating = keep_recreating(&app, &ann, &creations, &over);
    let by_ann = format!("added_by={}", ann.id);
    let filters = ["name_prefix=IN".to_owned(), by_ann.clone(), format!("{by_ann}&name_prefix=in+")];
    let walks = async |filter: &String| {
        for _ in 0..WALKS {
            let walked = walk(&app, &format!("/api/movies?{filter}&limit=7")).await.movies;
            let found: Vec<&Value> = walked.iter().filter(|movie| steady.contains(movie)).collect();
            assert_eq!(found, steady, "{filter}: each once and in order");
            let names = names(&walked);
            assert!(names.is_sorted_by(|one, other| one < other), "{filter}: {names:?}");
            for movie in &walked {
                let fits = !filter.contains("prefix")
                    || movie["name"].as_str().is_some_and(|name| name.starts_with("in "));
                assert!(
                    fits && (!filter.contains("added_by") || movie["added_by"] == ann.id),
                    "{filter}: {movie}"
                );
            }
        }
    };
    let walking = async {
        join_all(filters.iter().map(walks)).await;
        over.set(true);
    };
    join(walking, join(moving, recreating)).await;
    let walks = WALKS * filters.len();
    assert!(renames.get() > walks && creations.get() > WALKS, "{renames:?} renames during {walks} walks");
}
