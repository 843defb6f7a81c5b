//! `GET /api/movies`.

mod changes;
mod compression;
mod finding;
mod foreign_cursors;
mod parameters;
pub mod walking;

use serde_json::{Value, json};

use crate::{
    expect::response_snapshot,
    test_app::{MOVIES, TestApp, TestUser, get},
};
use walking::{copies, next, walk};

/// Names that are difficult for cursors, links, sort orders and encodings.
const TRICKY: [&str; 16] = [
    "a&limit=1#x?y=z%20+",
    "\"quoted\" 'and' <tagged>; rel=\"next\"",
    "back\\slash/and/slash",
    "name#movie#",
    "Zebra",
    "apple",
    "Äpfel",
    "ß",
    "İstanbul",
    "日本沈没",
    "가족의 탄생",
    "مدينة",
    "🎬🎥",
    "\u{1f468}\u{200d}\u{1f469}",
    "\u{fffd}",
    "\u{10ffff}",
];

async fn movies(app: &TestApp, owner: &TestUser, names: &[&str]) {
    for name in names {
        app.create_movie(owner, name).await;
    }
}

/// Turns an item into one that this system never writes.
type Corruption = fn(&mut Value);

fn names(movies: &[Value]) -> Vec<&str> {
    movies.iter().map(|movie| movie["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn without_movies_the_list_is_an_empty_array() {
    let app = TestApp::start().await;
    insta::assert_json_snapshot!(response_snapshot(&app.send(get("/api/movies")).await), @r#"
    {
      "body": [],
      "headers": {
        "cache-control": "no-cache",
        "content-type": "application/json",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
}

#[tokio::test]
async fn movies_are_listed_in_the_order_of_canonical_names() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let mut expected = Vec::new();
    for (owner, name) in
        [(&bob, "brazil"), (&ann, "ALIEN 2"), (&ann, "Zulu"), (&bob, "alien 10"), (&ann, "Émile")]
    {
        expected.push(app.create_movie(owner, name).await);
    }
    let [brazil, alien_2, zulu, alien_10, emile] = <[Value; 5]>::try_from(expected).expect("five movies");
    let response = app.send(get("/api/movies")).await;
    assert_eq!(response.json(), json!([alien_10, alien_2, brazil, zulu, emile]));
    assert_eq!(next(&response), None);
    insta::assert_json_snapshot!(response_snapshot(&app.send(get("/api/movies?limit=1")).await), {
        ".headers.link" => insta::dynamic_redaction(|link, _| {
            let link = link.as_str().expect("a text").to_owned();
            let cursor = link.split(['=', '>']).nth(2).expect("a cursor").to_owned();
            link.replace(&cursor, "[cursor]")
        }),
        ".body[].id" => "[id]",
        ".body[].added_by" => "[user id]",
        ".body[].created_at" => "[time]",
        ".body[].updated_at" => "[time]",
    }, @r#"
    {
      "body": [
        {
          "added_by": "[user id]",
          "casts": [
            "Tim Robbins",
            "Morgan Freeman"
          ],
          "created_at": "[time]",
          "genres": [
            "Drama"
          ],
          "id": "[id]",
          "name": "alien 10",
          "updated_at": "[time]"
        }
      ],
      "headers": {
        "cache-control": "no-cache",
        "content-type": "application/json",
        "link": "</api/movies?limit=1&cursor=[cursor]>; rel=\"next\"",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
}

#[tokio::test]
async fn a_page_has_100_movies_unless_another_limit_is_given() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "0").await;
    copies(&app, 501, |number| format!("{number:04}"));
    let total = 502;
    for (query, expected) in
        [("", 100), ("?limit=1", 1), ("?limit=499", 499), ("?limit=500", 500), ("?limit=007", 7)]
    {
        app.proxy.clear_calls();
        let page = app.send(get(&format!("/api/movies{query}"))).await;
        assert_eq!(page.json().as_array().map(Vec::len), Some(expected), "{query}");
        assert!(next(&page).is_some(), "{query}");
        assert_eq!(app.proxy.calls().len(), 1);
    }
    assert_eq!(walk(&app, "/api/movies").await.movies.len(), total);
    // The limit applies to the following pages, too.
    assert_eq!(walk(&app, "/api/movies?limit=250").await.sizes, [250, 250, 2]);
}

#[tokio::test]
async fn a_page_has_a_link_exactly_if_more_follows() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["a", "b", "c", "d", "e", "f"]).await;
    for (limit, sizes) in [
        (1, &[1, 1, 1, 1, 1, 1][..]),
        (2, &[2, 2, 2]),
        (3, &[3, 3]),
        (4, &[4, 2]),
        (5, &[5, 1]),
        (6, &[6]),
        (7, &[6]),
        (500, &[6]),
    ] {
        let walked = walk(&app, &format!("/api/movies?limit={limit}")).await;
        assert_eq!((walked.sizes.as_slice(), walked.requests), (sizes, sizes.len()), "limit {limit}");
        assert_eq!(names(&walked.movies), ["a", "b", "c", "d", "e", "f"]);
    }
}

#[tokio::test]
async fn pages_keep_tricky_names_in_order() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &TRICKY).await;
    let longest = ["a".repeat(200), format!("{}b", "a".repeat(199)), "🎬".repeat(200), "\u{fdfa}".repeat(30)];
    movies(&app, &ann, &longest.each_ref().map(String::as_str)).await;
    let mut stored = app.items(MOVIES, "movie#");
    stored.sort_by_key(|item| item["name_key"]["S"].as_str().expect("a key").as_bytes().to_vec());
    let expected: Vec<_> = stored.iter().map(|item| item["name"]["S"].as_str().expect("a name")).collect();
    assert_eq!(expected.len(), TRICKY.len() + longest.len());
    for limit in [1, 2, 7, 500] {
        let walked = walk(&app, &format!("/api/movies?limit={limit}")).await;
        assert_eq!(names(&walked.movies), expected, "limit {limit}");
    }
}

/// A Query returns at most 1 MB, far below the limit.
#[tokio::test]
async fn a_page_of_large_movies_ends_early_with_a_link() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let large = json!({"name": "0", "casts": vec!["🎬".repeat(100); 10], "genres": ["Epic"]});
    let response = app.send(crate::test_app::post("/api/movies", &large).bearer(&ann.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    copies(&app, 599, |number| format!("{number:04}"));
    let walked = walk(&app, "/api/movies?limit=500").await;
    assert_eq!(walked.movies.len(), 600);
    assert!(walked.movies.is_sorted_by(|one, other| one["name"].as_str() < other["name"].as_str()));
    assert!(
        walked.sizes.len() >= 3,
        "600 movies of 4 KB are more than two pages of 1 MB: {:?}",
        walked.sizes
    );
    assert_eq!(walked.requests, walked.sizes.len(), "one Query per page");
}

/// A corrupt item hides only itself, regardless of what it lacks and of its position in the page.
#[tokio::test]
async fn a_corrupt_movie_is_logged_and_the_rest_is_served() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["a", "b", "c", "d", "e", "f"]).await;
    let corruptions: [(&str, Corruption); 4] = [
        ("b", |item| item["casts"] = json!({"S": "nobody"})),
        ("c", |item| item["created_at"] = json!({"S": "yesterday"})),
        ("d", |item| drop(item.as_object_mut().map(|item| item.remove("added_by")))),
        ("f", |item| item["id"] = json!({"S": "f"})),
    ];
    let mut keys = Vec::new();
    for (name, corrupt) in corruptions {
        let item = app.items(MOVIES, "movie#").into_iter().find(|item| item["name"]["S"] == name);
        let key = item.expect("the movie")["pk"]["S"].as_str().expect("a key").to_owned();
        app.edit_item(MOVIES, &key, corrupt);
        keys.push(key);
    }
    for (limit, sizes) in
        [(1, &[1, 0, 0, 0, 1, 0][..]), (2, &[1, 0, 1]), (3, &[1, 1]), (4, &[1, 1]), (6, &[2]), (500, &[2])]
    {
        let walked = walk(&app, &format!("/api/movies?limit={limit}")).await;
        assert_eq!(
            (names(&walked.movies), walked.sizes.as_slice()),
            (vec!["a", "e"], sizes),
            "limit {limit}"
        );
        assert_eq!(walked.requests, sizes.len());
    }
    for key in keys {
        let line = app.wait_for_log(&key).await;
        assert!(line.contains("ERROR") && line.contains("left out"), "{line}");
    }
}
