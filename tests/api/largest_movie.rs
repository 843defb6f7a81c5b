//! The cost of the largest movie. The documents publish these figures, and the route limit of the list follows from
//! them.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use local::template::Template;
use serde_json::{Value, json};

use crate::{
    emf,
    list_movies::walking::copies,
    test_app::{MOVIES, TestApp, TestUser, delete, get, movie_path, post, put},
};

/// The read units per second of one DynamoDB partition, according to the developer guide under "Best practices for
/// designing and using partition keys effectively".
const PARTITION_READ_UNITS: f64 = 3_000.0;
/// The documented cost of the largest movie: the write units of its item in an index, and the read units and movies of
/// one page of such movies.
const INDEX_WRITE_UNITS: u32 = 8;
/// See [`INDEX_WRITE_UNITS`].
const PAGE_READ_UNITS: f64 = 128.0;

/// Returns a movie with a name of 200 characters whose canonical form is nearly as long as possible, 100 casts of 4,096
/// bytes in total, and 20 genres of 1,024 bytes in total.
fn largest(begin: &str) -> Value {
    let name = format!("{begin}{}{}", "\u{fdfa}".repeat(6), "🎬".repeat(194 - begin.len()));
    json!({"name": name, "casts": texts(100, 4_096, "é"), "genres": texts(20, 1_024, "è")})
}

/// Returns this many texts with this many bytes in total.
fn texts(count: usize, bytes: usize, letter: &str) -> Vec<String> {
    let text = |number: usize| {
        let length = bytes / count + usize::from(number < bytes % count);
        letter.repeat(length / letter.len()) + &"a".repeat(length % letter.len())
    };
    (0..count).map(text).collect()
}

async fn largest_movie(app: &TestApp, owner: &TestUser) -> String {
    let response = app.send(post("/api/movies", &largest("0000")).bearer(&owner.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// Returns the size of an item in bytes, according to the developer guide under "DynamoDB item sizes and formats".
fn size(item: &Value) -> u32 {
    let attributes = item.as_object().expect("an item").iter();
    let bytes: usize = attributes.map(|(name, value)| name.len() + size_of_value(value)).sum();
    u32::try_from(bytes).expect("at most 400 KB")
}

fn size_of_value(value: &Value) -> usize {
    match (&value["S"], &value["L"], &value["B"]) {
        (Value::String(text), _, _) => text.len(),
        (_, Value::Array(items), _) => 3 + items.iter().map(|item| 1 + size_of_value(item)).sum::<usize>(),
        (_, _, Value::String(base64)) => STANDARD.decode(base64).expect("base64").len(),
        _ => panic!("a movie has no {value}"),
    }
}

/// Returns the requests per second that the template allows at a route.
fn rate(route: &str) -> f64 {
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let document = template.document();
    let rate = &document["Resources"]["Api"]["Properties"]["RouteSettings"][route];
    assert_eq!(
        rate["ThrottlingRateLimit"], rate["ThrottlingBurstLimit"],
        "{route}: no burst beyond the rate"
    );
    match rate["ThrottlingRateLimit"]["Ref"].as_str() {
        Some(parameter) => document["Parameters"][parameter]["Default"].as_f64(),
        None => rate["ThrottlingRateLimit"].as_f64(),
    }
    .unwrap_or_else(|| panic!("{route} has no rate limit"))
}

#[tokio::test]
async fn the_largest_movie_is_as_large_as_documented() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    largest_movie(&app, &ann).await;
    let bytes = size(&app.items(MOVIES, "movie#")[0]);
    assert!((7_169..=INDEX_WRITE_UNITS * 1_024).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn a_page_of_the_largest_movies_costs_what_is_documented() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    largest_movie(&app, &ann).await;
    copies(&app, 200, |number| largest(&format!("{number:04}"))["name"].as_str().expect("a name").to_owned());
    let (response, line) = emf::send(&app, &get("/api/movies?limit=500")).await;
    let movies = response.json().as_array().map_or(0, Vec::len);
    assert!((140..=150).contains(&movies), "{movies} movies on a page of 1 MB");
    assert!(response.header("link").is_some(), "the rest is on the next page");
    let units = emf::values(&line)["ReadCapacityUnits"];
    assert!((PAGE_READ_UNITS - 1.0..=PAGE_READ_UNITS).contains(&units), "{units} read units");

    // The index of a user's movies has the same items, in another partition.
    let (filtered, line) = emf::send(&app, &get(&format!("/api/movies?limit=500&added_by={}", ann.id))).await;
    assert_eq!(filtered.json().as_array().map_or(0, Vec::len), movies);
    let own = emf::values(&line)["ReadCapacityUnits"];
    assert!((own - units).abs() < 0.1, "{own} read units for a user's movies");

    let list = rate("GET /api/movies");
    assert!(list * PAGE_READ_UNITS <= PARTITION_READ_UNITS, "{list} pages a second exhaust a partition");
}

#[tokio::test]
async fn writing_the_largest_movie_costs_what_is_documented() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let units = async |request| {
        let (response, line) = emf::send(&app, &request).await;
        assert_eq!(response.status, 200, "{}", response.body);
        (response, emf::values(&line)["WriteCapacityUnits"])
    };
    // A transaction takes two units per KB of an item in the base table: 16 for the movie, 2 for a claim, 2 for the
    // user's count. The remaining units are those of the two indexes.
    let (created, create) = units(post("/api/movies", &largest("0000")).bearer(&ann.token)).await;
    let path = movie_path(&created.json());
    let (_, change) = units(put(&path, &json!({"genres": texts(20, 1_024, "ê")})).bearer(&ann.token)).await;
    let (_, rename) = units(put(&path, &json!({"name": largest("1111")["name"]})).bearer(&ann.token)).await;
    let (_, remove) = units(delete(&path).bearer(&ann.token)).await;
    let indexes = 2.0 * f64::from(INDEX_WRITE_UNITS);
    for (what, units, expected) in [
        ("create", create - 20.0, indexes),
        ("change", change - 8.0, indexes),
        ("rename", rename - 20.0, 2.0 * indexes),
        ("delete", remove - 20.0, indexes),
    ] {
        assert!(
            (units - expected).abs() < 0.1,
            "to {what} takes {units} units of the indexes, not {expected}"
        );
    }
}
