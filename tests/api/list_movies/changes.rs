//! A list that changes while a client reads its pages.

use local::gateway::HttpRequest;
use serde_json::{Value, json};

use super::{movies, names, next, walk};
use crate::test_app::{TestApp, delete, get, movie_path, put};

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
