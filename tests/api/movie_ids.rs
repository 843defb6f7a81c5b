//! Ids in the path, for every operation that takes one: an invalid id names no movie.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use local::gateway::HttpRequest;
use serde_json::{Value, json};

use crate::{
    expect::expect_problem,
    test_app::{MOVIES, TestApp, get, segment},
};

/// Returns invalid ids, some of which lenient parsers would accept as `id`.
fn malformed(id: &str) -> Vec<String> {
    let bare = id.replace('-', "");
    let mut texts = vec![
        id.to_uppercase(),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        bare.clone(),
        bare.to_uppercase(),
        format!("{id} "),
        format!(" {id}"),
        format!("{id}\n"),
        format!("{id}\0"),
        format!("{id}0"),
        format!("movie#{id}"),
        format!("{id}?x=1"),
        format!("{id}#x"),
        id[..35].to_owned(),
        id.replace('-', "\u{2010}"),
        id.replace('0', "\u{ff10}"),
        BASE64_STANDARD.encode(id),
        "name#alien".to_owned(),
        "alien".to_owned(),
        "..".to_owned(),
        "../".to_owned(),
        "../../auth/signup".to_owned(),
        "%".to_owned(),
        "%2e%2e".to_owned(),
        "<script>\"".to_owned(),
        "é 🎬".to_owned(),
        "\u{fffd}".to_owned(),
        "null".to_owned(),
        "1".to_owned(),
        "x".repeat(8_000),
        "é".repeat(1_000),
    ];
    // The same digits as UUIDs of other versions.
    texts.extend(["0", "1", "4", "8"].map(|version| {
        let mut other = id.to_owned();
        other.replace_range(14..15, version);
        other
    }));
    texts
}

/// Returns the three operations on one movie, with a valid token where one is needed.
fn requests(path: &str, token: &str) -> [HttpRequest; 3] {
    let request = |method| HttpRequest::new(method, path).bearer(token);
    [request("GET"), request("PUT").json(&json!({"genres": ["Horror"]})), request("DELETE")]
}

#[tokio::test]
async fn a_malformed_id_is_not_found_like_an_unknown_one() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let created = app.create_movie(&ann, "Alien").await;
    let id = created["id"].as_str().expect("an id");
    let before = app.table_contents();
    let mut texts = malformed(id);
    texts.push("019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7".to_owned());
    for text in &texts {
        app.proxy.clear_calls();
        for request in requests(&format!("/api/movies/{}", segment(text)), &ann.token) {
            expect_problem(&app.send(request).await, 404, "movie_not_found");
            assert_eq!(app.table_contents(), before, "{text:?}");
        }
        // An invalid id never becomes a key.
        let asked = app.proxy.calls().iter().filter(|call| call.tables == [MOVIES]).count();
        assert_eq!(asked > 0, text.len() == 36 && text.starts_with("019a4c5e"), "{text:?}");
    }
    // Escapes as a client might write them, and one that is not UTF-8.
    for path in ["..%2f", "%2e%2e%2Fauth", "%00", "%ff", "%zz", "%", "a%2Fb", "+", "%20"] {
        for request in requests(&format!("/api/movies/{path}"), &ann.token) {
            expect_problem(&app.send(request).await, 404, "movie_not_found");
        }
    }
    assert_eq!(app.send(get(&format!("/api/movies/{id}"))).await.json(), created);
}

/// API Gateway has no route for these. Only a test event can contain them.
#[tokio::test]
async fn an_absent_or_empty_id_is_not_found() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "Alien").await;
    let before = app.table_contents();
    let gateway = local::gateway::Gateway::new(&app.template);
    assert_eq!(gateway.event(&get("/api/movies/")), None);
    for request in requests("/api/movies/x", &ann.token) {
        let (operation, event) = gateway.event(&request).expect("a route");
        for parameters in [json!({"id": ""}), json!({}), json!({"ID": "x"}), Value::Null] {
            let mut event = event.clone();
            event["pathParameters"] = parameters;
            expect_problem(&app.invoke(&operation, &event).await, 404, "movie_not_found");
            event.as_object_mut().expect("an object").remove("pathParameters");
            expect_problem(&app.invoke(&operation, &event).await, 404, "movie_not_found");
        }
    }
    assert_eq!(app.table_contents(), before);
}
