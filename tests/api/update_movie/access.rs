//! Who may update which movie, and the precedence of errors.

use serde_json::json;

use crate::{
    expect::{expect_faults, expect_problem},
    test_app::{MOVIES, TestApp, delete, get, movie_path, post, put},
};

#[tokio::test]
async fn only_the_owner_changes_or_deletes_a_movie() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let movies =
        [(&ann, app.create_movie(&ann, "Alien").await), (&bob, app.create_movie(&bob, "Brazil").await)];
    let before = app.table_contents();
    for (owner, movie) in &movies {
        let stranger = if owner.id == ann.id { &bob } else { &ann };
        for body in [
            json!({"genres": ["Horror"]}),
            json!({"casts": ["Me"], "genres": ["Horror"]}),
            json!({"name": movie["name"]}),
            json!({"name": "Mine now"}),
            // Another user does not learn that a name is taken.
            json!({"name": "alien"}),
            json!({"name": "brazil", "casts": ["Me"]}),
        ] {
            let response = app.send(put(&movie_path(movie), &body).bearer(&stranger.token)).await;
            expect_problem(&response, 403, "not_owner");
            assert_eq!(app.table_contents(), before, "{body}");
        }
        let response = app.send(delete(&movie_path(movie)).bearer(&stranger.token)).await;
        expect_problem(&response, 403, "not_owner");
        assert_eq!(app.table_contents(), before);
    }
    for (owner, movie) in &movies {
        let changed = app.send(put(&movie_path(movie), &json!({"genres": ["X"]})).bearer(&owner.token)).await;
        assert_eq!((changed.status, &changed.json()["added_by"]), (200, &json!(owner.id)));
        assert_eq!(app.send(delete(&movie_path(movie)).bearer(&owner.token)).await.status, 200);
    }
    assert_eq!(app.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn changing_or_deleting_a_movie_needs_a_token() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    let before = app.table_contents();
    for request in [put(&movie_path(&movie), &json!({"name": "Aliens"})), delete(&movie_path(&movie))] {
        expect_problem(&app.send(request).await, 401, "missing_token");
        assert_eq!(app.table_contents(), before);
    }
}

#[tokio::test]
async fn errors_take_precedence_in_the_documented_order() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let movie = app.create_movie(&ann, "Alien").await;
    app.create_movie(&bob, "Brazil").await;
    let before = app.table_contents();
    let unknown = "/api/movies/019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";
    let least = [("body", "must have at least one of name, casts, genres")];

    // 401 before 415, 400 before 404 and 403, 404 and 403 before 409.
    for request in [put(unknown, &json!({})), delete(unknown), delete("/api/movies/malformed")] {
        expect_problem(&app.send(request).await, 401, "missing_token");
    }
    for path in [unknown, "/api/movies/malformed", &movie_path(&movie)] {
        expect_faults(&app.send(put(path, &json!({})).bearer(&bob.token)).await, &least);
    }
    for path in [unknown, "/api/movies/malformed"] {
        for body in [json!({"name": "Brazil"}), json!({"name": "Free"}), json!({"genres": ["X"]})] {
            let response = app.send(put(path, &body).bearer(&bob.token)).await;
            expect_problem(&response, 404, "movie_not_found");
        }
        let response = app.send(delete(path).bearer(&bob.token)).await;
        expect_problem(&response, 404, "movie_not_found");
    }
    let taken = json!({"name": "Brazil"});
    let response = app.send(put(&movie_path(&movie), &taken).bearer(&bob.token)).await;
    expect_problem(&response, 403, "not_owner");
    let response = app.send(put(&movie_path(&movie), &taken).bearer(&ann.token)).await;
    expect_problem(&response, 409, "movie_name_taken");
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn other_methods_have_no_route() {
    let app = TestApp::start().await;
    let gateway = local::gateway::Gateway::new(&app.template);
    for (method, path) in [
        ("PATCH", "/api/movies/1"),
        ("POST", "/api/movies/1"),
        ("PUT", "/api/movies"),
        ("DELETE", "/api/movies"),
        ("HEAD", "/api/movies"),
        ("GET", "/api/movies/1/casts"),
        ("GET", "/api/auth/signup"),
        ("DELETE", "/api/auth/login"),
    ] {
        assert_eq!(gateway.route(method, path), None, "{method} {path}");
    }
    assert!(
        gateway.event(&get("/api/movies")).is_some()
            && gateway.event(&post("/api/movies", &json!({}))).is_some()
    );
}
