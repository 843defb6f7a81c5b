//! The versions of movies: `etag`, `if-none-match` and `if-match`.

mod races;

use local::gateway::HttpRequest;
use serde_json::{Value, json};

use crate::{
    consistency::assert_consistent,
    expect::{expect_faults, expect_problem},
    test_app::{MOVIES, TestApp, TestUser, delete, etag, get, movie, movie_path, post, put, stored_version},
};

/// An entity tag of a version that no movie has.
const OTHER_TAG: &str = "\"019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c8\"";
const UNKNOWN_MOVIE: &str = "/api/movies/019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";

/// Returns a body for each way to update a movie called Heat.
fn updates() -> [Value; 4] {
    [
        json!({"genres": ["Thriller"]}),
        json!({"casts": ["Al Pacino"], "genres": ["Thriller"]}),
        json!({"name": "HEAT", "genres": ["Thriller"]}),
        json!({"name": "Ronin"}),
    ]
}

/// Creates a user with a movie called Heat, and returns its path and its entity tag.
async fn one_movie(app: &TestApp) -> (TestUser, String, String) {
    let ann = app.create_user("ann").await;
    let response = app.send(post("/api/movies", &movie("Heat")).bearer(&ann.token)).await;
    (ann, movie_path(&response.json()), etag(&response).to_owned())
}

#[tokio::test]
async fn every_write_gives_a_movie_a_new_tag() {
    let app = TestApp::start().await;
    let (ann, path, created) = one_movie(&app).await;
    let mut tags = vec![created];
    // An update that changes nothing is a write, too.
    for body in updates().iter().chain([&json!({"name": "Ronin"})]) {
        let updated = app.send(put(&path, body).bearer(&ann.token)).await;
        assert_eq!(updated.status, 200, "{}", updated.body);
        let tag = etag(&updated).to_owned();
        assert!(!tags.contains(&tag), "{body} left the tag {tag}");
        assert_eq!(app.items(MOVIES, "movie#")[0]["version"]["B"], stored_version(&updated));
        for _ in 0..2 {
            let read = app.send(get(&path)).await;
            assert_eq!((etag(&read), read.json()), (tag.as_str(), updated.json()));
        }
        tags.push(tag);
    }
    assert_eq!(app.send(get("/api/movies")).await.header("etag"), None, "a page has no tag");
}

#[tokio::test]
async fn a_client_with_the_movie_gets_304() {
    let app = TestApp::start().await;
    let (ann, path, tag) = one_movie(&app).await;
    for list in [
        tag.clone(),
        "*".to_owned(),
        format!("W/{tag}"),
        format!("{OTHER_TAG}, \"x,y\",{tag}"),
        format!(", ,{tag},"),
    ] {
        let response = app.send(get(&path).header("if-none-match", &list)).await;
        assert_eq!((response.status, response.body.as_str()), (304, ""), "{list}");
        assert_eq!(etag(&response), tag);
        assert_eq!(response.header("cache-control"), Some("no-cache"));
        assert_eq!(response.header("content-type"), None);
    }
    let lines = get(&path).header("if-none-match", OTHER_TAG).header("if-none-match", &tag);
    assert_eq!(app.send(lines).await.status, 304, "several header lines are one list");

    for list in
        ["", ",", OTHER_TAG, tag.trim_matches('"'), "\"", &format!("{tag} {tag}"), &format!("*, {tag}")]
    {
        let response = app.send(get(&path).header("if-none-match", list)).await;
        assert_eq!((response.status, etag(&response)), (200, tag.as_str()), "{list}");
    }
    let updated = app.send(put(&path, &json!({"genres": ["Crime"]})).bearer(&ann.token)).await;
    let response = app.send(get(&path).header("if-none-match", &tag)).await;
    assert_eq!((response.status, response.json()), (200, updated.json()), "the movie has changed");
    expect_problem(&app.send(get(UNKNOWN_MOVIE).header("if-none-match", "*")).await, 404, "movie_not_found");
}

#[tokio::test]
async fn a_write_of_another_version_is_412() {
    let app = TestApp::start().await;
    let (ann, path, old) = one_movie(&app).await;
    let current = app.send(put(&path, &json!({"genres": ["Crime"]})).bearer(&ann.token)).await;
    let current = etag(&current);
    let before = app.table_contents();
    for list in [
        old.clone(),
        OTHER_TAG.to_owned(),
        format!("{old}, {OTHER_TAG}"),
        // Tags are compared strongly.
        format!("W/{current}"),
        String::new(),
        ",".to_owned(),
        current.trim_matches('"').to_owned(),
        format!("{current} {old}"),
        format!("*, {current}"),
        current.to_uppercase(),
        format!("{current}\n"),
        // More tags than are compared.
        format!("{}{current}", format!("{old},").repeat(50)),
    ] {
        let writes = updates().map(|body| put(&path, &body)).into_iter().chain([delete(&path)]);
        for write in writes {
            let response = app.send(write.bearer(&ann.token).header("if-match", &list)).await;
            expect_problem(&response, 412, "precondition_failed");
            assert_eq!(app.table_contents(), before, "{list:?}");
        }
    }
}

#[tokio::test]
async fn a_write_of_the_listed_version_succeeds_once() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let lists: [fn(&str) -> String; 4] = [
        str::to_owned,
        |tag| format!("{OTHER_TAG} ,{tag}"),
        |tag| format!("\"not,a-version\", W/{OTHER_TAG}, {tag},"),
        |tag| format!("{}{tag}", format!("{OTHER_TAG},").repeat(49)),
    ];
    for list in lists {
        for body in updates() {
            let created = app.send(post("/api/movies", &movie("Heat")).bearer(&ann.token)).await;
            let path = movie_path(&created.json());
            let list = list(etag(&created));
            let update = || put(&path, &body).bearer(&ann.token).header("if-match", &list);
            let response = app.send(update()).await;
            assert_eq!(response.status, 200, "{list}: {}", response.body);
            expect_problem(&app.send(update()).await, 412, "precondition_failed");
            let deletion = |list: &str| delete(&path).bearer(&ann.token).header("if-match", list);
            expect_problem(&app.send(deletion(&list)).await, 412, "precondition_failed");
            assert_eq!(app.send(deletion(etag(&response))).await.status, 200);
            expect_problem(&app.send(update()).await, 404, "movie_not_found");
        }
    }
    assert_eq!(app.count(MOVIES, ""), 0);
}

#[tokio::test]
async fn a_star_or_no_header_permits_every_version() {
    let app = TestApp::start().await;
    let (ann, path, _) = one_movie(&app).await;
    for body in updates() {
        for request in [put(&path, &body), put(&path, &body).header("if-match", " * ")] {
            assert_eq!(app.send(request.bearer(&ann.token)).await.status, 200);
        }
    }
    let request = delete(&path).bearer(&ann.token).header("if-match", "*");
    assert_eq!(app.send(request).await.status, 200);
}

#[tokio::test]
async fn writes_ignore_if_none_match() {
    let app = TestApp::start().await;
    let (ann, path, tag) = one_movie(&app).await;
    for list in ["*", &tag] {
        let request = put(&path, &json!({"genres": ["Crime"]})).header("if-none-match", list);
        assert_eq!(app.send(request.bearer(&ann.token)).await.status, 200);
    }
    let request = delete(&path).header("if-none-match", "*");
    assert_eq!(app.send(request.bearer(&ann.token)).await.status, 200);
}

#[tokio::test]
async fn a_412_follows_403_and_404_and_precedes_409() {
    let app = TestApp::start().await;
    let (ann, path, _) = one_movie(&app).await;
    let bob = app.create_user("bob").await;
    app.create_movie(&bob, "Brazil").await;
    let before = app.table_contents();
    let stale = |request: HttpRequest| request.header("if-match", OTHER_TAG);
    let taken = json!({"name": "Brazil"});

    for request in [put(&path, &json!({})), delete(&path), put(UNKNOWN_MOVIE, &taken)] {
        expect_problem(&app.send(stale(request)).await, 401, "missing_token");
    }
    let untyped = HttpRequest::new("PUT", &path).body("{}").bearer(&ann.token);
    expect_problem(&app.send(stale(untyped)).await, 415, "unsupported_media_type");
    let large = put(&path, &json!({"name": "a".repeat(65 * 1024)})).bearer(&ann.token);
    expect_problem(&app.send(stale(large)).await, 413, "payload_too_large");
    let empty = app.send(stale(put(&path, &json!({})).bearer(&ann.token))).await;
    expect_faults(&empty, &[("body", "must have at least one of name, casts, genres")]);
    for request in [put(UNKNOWN_MOVIE, &taken), put(UNKNOWN_MOVIE, &updates()[0]), delete(UNKNOWN_MOVIE)] {
        expect_problem(&app.send(stale(request.bearer(&ann.token))).await, 404, "movie_not_found");
    }
    for request in [put(&path, &taken), put(&path, &updates()[0]), delete(&path)] {
        expect_problem(&app.send(stale(request.bearer(&bob.token))).await, 403, "not_owner");
    }
    let response = app.send(stale(put(&path, &taken).bearer(&ann.token))).await;
    expect_problem(&response, 412, "precondition_failed");
    assert_eq!(app.table_contents(), before);
}

/// With an ended session, a client does not learn whether its version is the current one.
#[tokio::test]
async fn an_ended_session_is_401_before_412() {
    let app = TestApp::start().await;
    let (ann, path, _) = one_movie(&app).await;
    assert_eq!(app.send(post("/api/auth/logout", &json!({})).bearer(&ann.token)).await.status, 200);
    for request in [put(&path, &updates()[0]), put(&path, &json!({"name": "Ronin"})), delete(&path)] {
        let response = app.send(request.bearer(&ann.token).header("if-match", OTHER_TAG)).await;
        expect_problem(&response, 401, "invalid_token");
    }
    assert_consistent(&app);
}
