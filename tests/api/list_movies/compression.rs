//! Compressed pages.

use std::collections::BTreeMap;

use local::{
    fault_proxy::{Fault, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{copies, movies, next};
use crate::{
    emf,
    expect::{decompressed, expect_problem},
    operations,
    test_app::{MOVIES, TestApp, get, movie_path, post, put},
};

/// The size in bytes from which a page is compressed.
const LARGE: usize = 1024;

/// Starts a system with this many movies.
async fn with_movies(count: usize) -> TestApp {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["0"]).await;
    copies(&app, count - 1, |number| format!("{number:04}"));
    app
}

/// Requests a page with these lines of `accept-encoding`.
async fn list(app: &TestApp, target: &str, accepted: &[&str]) -> HttpResponse {
    let request = accepted.iter().fold(get(target), |request, line| request.header("Accept-Encoding", *line));
    app.send(request).await
}

/// Returns the headers of a response, except for the one that tells whether it is compressed.
fn other_headers(response: &HttpResponse) -> BTreeMap<String, String> {
    let mut headers = response.headers.clone();
    headers.remove("content-encoding");
    headers
}

#[track_caller]
fn assert_plain(response: &HttpResponse, plain: &HttpResponse, why: &str) {
    assert_eq!(response, plain, "{why}");
    assert_eq!((response.header("content-encoding"), &response.binary), (None, &None), "{why}");
}

#[track_caller]
fn assert_compressed(response: &HttpResponse, plain: &HttpResponse, why: &str) {
    assert_eq!(response.header("content-encoding"), Some("gzip"), "{why}");
    assert!(response.binary.as_ref().is_some_and(|bytes| bytes.starts_with(&[0x1f, 0x8b])), "{why}");
    assert_eq!(decompressed(response).body, plain.body, "{why}");
    assert_eq!((response.status, other_headers(response)), (plain.status, plain.headers.clone()), "{why}");
}

#[tokio::test]
async fn a_page_is_compressed_if_the_client_accepts_gzip() {
    let app = with_movies(10).await;
    let plain = list(&app, "/api/movies", &[]).await;
    for accepted in [
        &["gzip"][..],
        &["GZip"],
        &["x-gzip"],
        &["X-GZIP"],
        &["gzip, deflate, br, zstd"],
        &["br;q=1.0, gzip;q=0.8, *;q=0.1"],
        &["deflate", "gzip"],
        &["br", "zstd;q=0.5,gzip;q=0.1", "deflate"],
        &["gzip;q=0.001"],
        &["gzip;q=1"],
        &["gzip;q=1."],
        &["gzip;q=1.000"],
        &["gzip;q=0.7", "br"],
        &["gzip ; Q=0.5"],
        &["\t gzip\t;\tq=0.5 \t"],
        &[",, gzip ,,"],
        &["*"],
        &["*;q=0.001"],
        &["br, *;q=0.1"],
        &["gzip, *;q=0"],
        // If it likes both equally, or does not mention the plain body, a client prefers fewer bytes.
        &["gzip, identity"],
        &["gzip;q=0.5, identity;q=0.5"],
        &["gzip;q=0.1, identity;q=0"],
        &["gzip;q=0.1, identity;q=0.01, *"],
        // A malformed coding is no coding.
        &["gzip;q=2, x-gzip"],
        &["\"\", ;, ;q=1, =, q=0, gzip, gzip;level=9"],
    ] {
        assert_compressed(&list(&app, "/api/movies", accepted).await, &plain, &format!("{accepted:?}"));
    }
}

#[tokio::test]
async fn a_page_is_plain_unless_the_client_accepts_gzip() {
    let app = with_movies(10).await;
    let plain = list(&app, "/api/movies", &[]).await;
    for accepted in [
        &[""][..],
        &["", ""],
        &[" \t "],
        &["identity"],
        &["br, deflate, zstd"],
        &["compress;q=0.5"],
        &["gzip;q=0"],
        &["gzip;q=0."],
        &["gzip;q=0.000"],
        &["x-gzip;q=0"],
        &["gzip;q=0, *"],
        &["gzip;q=0", "*;q=1"],
        &["*;q=0"],
        &["*;q=0, identity"],
        // A client that refuses everything gets something that it may understand.
        &["gzip;q=0, identity;q=0"],
        &["gzip;q=0, *;q=0"],
        // A coding that is refused once is refused.
        &["gzip, gzip;q=0"],
        &["gzip;q=0", "gzip"],
        &["gzip, x-gzip;q=0"],
        // The client prefers a plain body.
        &["gzip;q=0.5, identity"],
        &["gzip;q=0.5, identity;q=0.501"],
        &["gzip;q=0.5, *;q=0.8"],
    ] {
        assert_plain(&list(&app, "/api/movies", accepted).await, &plain, &format!("{accepted:?}"));
    }
}

#[tokio::test]
async fn a_malformed_accept_encoding_gets_a_plain_page() {
    let app = with_movies(10).await;
    let plain = list(&app, "/api/movies", &[]).await;
    for accepted in [
        "gzip;q=1.001",
        "gzip;q=2",
        "gzip;q=10",
        "gzip;q=-1",
        "gzip;q=+1",
        "gzip;q=00",
        "gzip;q=01",
        "gzip;q=.5",
        "gzip;q=0.5000",
        "gzip;q=0.0x1",
        "gzip;q=0.+5",
        "gzip;q=0x1",
        "gzip;q=1e0",
        "gzip;q=NaN",
        "gzip;q=\u{661}",
        "gzip;q=0.\u{661}",
        "gzip;q=\"1\"",
        "gzip;q= 1",
        "gzip;q =1",
        "gzip;q=",
        "gzip;q",
        "gzip;=1",
        "gzip;",
        "gzip;;q=1",
        "gzip;level=9",
        "gzip;q=1;q=1",
        "gzip;q=1;level=9",
        "gzip;q=0.5;",
        "gzip q=1",
        "gzip:1",
        "gzip=1",
        "\"gzip\"",
        "'gzip'",
        "gzip/1.0",
        "gzip*",
        "**",
        "*/*",
        "gzipped",
        "not-gzip",
        "x-x-gzip",
        "g zip",
        "gz\u{131}p",
        "\u{ff47}\u{ff5a}\u{ff49}\u{ff50}",
        "gzip\u{a0}",
        "gzip\u{e9}",
        "gzip\u{0}",
        "gzip\r\nx: y",
        "\u{202e}pizg",
    ] {
        assert_plain(&list(&app, "/api/movies", &[accepted]).await, &plain, &format!("{accepted:?}"));
    }
    // API Gateway accepts about 10 KB of request line and headers.
    for part in [",", ";", "=", "q=", "gzip;q=0,", "gzip;q=9,", "*;q=0.00", "\t", "identity;"] {
        let accepted = part.repeat(10_000 / part.len());
        assert_plain(&list(&app, "/api/movies", &[&accepted]).await, &plain, part);
    }
}

#[tokio::test]
async fn pages_are_compressed_from_1_kib_on() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = |letters: usize| {
        let casts = ["a", "b", "c", "d", "e", "f", "g"].map(|letter| letter.repeat(99));
        json!({"name": "h".repeat(letters), "casts": casts, "genres": ["Drama"]})
    };
    let created = app.send(post("/api/movies", &movie(1)).bearer(&ann.token)).await;
    let path = movie_path(&created.json());
    // The array adds two brackets.
    let missing = LARGE - created.body.len() - 2;
    for (bytes, letters) in [(LARGE - 1, missing), (LARGE, missing + 1), (LARGE + 1, missing + 2)] {
        let updated = app.send(put(&path, &movie(letters)).bearer(&ann.token)).await;
        assert_eq!(updated.status, 200, "{}", updated.body);
        let plain = list(&app, "/api/movies", &[]).await;
        assert_eq!(plain.body.len(), bytes);
        let response = list(&app, "/api/movies", &["gzip"]).await;
        if bytes < LARGE {
            assert_plain(&response, &plain, "just below the threshold");
        } else {
            assert_compressed(&response, &plain, &format!("{bytes} bytes"));
        }
    }
}

/// A page is never sent in an encoding that the client refuses, even if compressing it makes it larger.
#[tokio::test]
async fn a_client_can_refuse_small_plain_pages() {
    let app = TestApp::start().await;
    let plain = list(&app, "/api/movies", &[]).await;
    assert_eq!(plain.body, "[]");
    for accepted in ["gzip, identity;q=0", "gzip;q=0.1, *;q=0", "*, identity;q=0.0"] {
        assert_compressed(&list(&app, "/api/movies", &[accepted]).await, &plain, accepted);
    }
}

#[tokio::test]
async fn a_compressed_page_leads_to_the_same_next_page() {
    let app = with_movies(30).await;
    let mut target = "/api/movies?limit=12".to_owned();
    let mut pages = 0;
    loop {
        let (plain, compressed) = (list(&app, &target, &[]).await, list(&app, &target, &["gzip"]).await);
        assert_compressed(&compressed, &plain, &target);
        assert_eq!(compressed.header("cache-control"), Some("no-cache"));
        pages += 1;
        let Some(following) = next(&compressed) else { break };
        target = following;
    }
    assert_eq!(pages, 3);
}

/// The capacity is that of the items, not of the bytes that are sent.
#[tokio::test]
async fn compression_does_not_change_the_log() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["0"]).await;
    copies(&app, 99, |number| format!("{number:04}"));
    let (plain, plain_line) = emf::send(&app, &get("/api/movies")).await;
    let (page, line) = emf::send(&app, &get("/api/movies").header("accept-encoding", "gzip")).await;
    assert_compressed(&page, &plain, "100 movies");
    assert_eq!(emf::values(&line), emf::values(&plain_line));
    assert_eq!((&line["status"], &line["level"]), (&json!(200), &json!("INFO")));
}

/// Caches may store both kinds of page, and must know which header selects between them. They store no errors.
#[tokio::test]
async fn every_page_varies_by_accept_encoding() {
    let app = with_movies(10).await;
    for target in ["/api/movies", "/api/movies?limit=1"] {
        for accepted in [&[][..], &["gzip"], &["identity"], &["gzip;q=x"]] {
            let page = list(&app, target, accepted).await;
            assert_eq!(page.header("vary"), Some("accept-encoding"), "{target} with {accepted:?}");
        }
    }
}

#[tokio::test]
async fn errors_are_never_compressed() {
    let app = with_movies(10).await;
    let large = format!("/api/movies?{}", format!("{}=&", "y".repeat(90)).repeat(60));
    for (target, status, code) in [
        (large.as_str(), 400, "validation_failed"),
        ("/api/movies?cursor=x", 400, "invalid_cursor"),
        ("/api/movies", 503, "unavailable"),
    ] {
        if status == 503 {
            app.proxy.inject(Rule::always(Fault::Throttle).on("Query"));
        }
        let response = list(&app, target, &["gzip, identity;q=0"]).await;
        expect_problem(&response, status, code);
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!((response.header("cache-control"), response.header("vary")), (Some("no-store"), None));
        assert!(status == 503 || code == "invalid_cursor" || response.body.len() > 2 * LARGE);
    }
}

/// A response with a strong `etag` must not have two encodings, and a compressed response with a secret could reveal it.
#[tokio::test]
async fn no_other_operation_compresses() {
    let app = TestApp::start().await;
    let mut names = Vec::new();
    operations::for_every_call(&app, async |operation, _, request: HttpRequest| {
        let response = app.send(request.header("accept-encoding", "gzip, *;q=0")).await;
        assert_eq!(response.status, operation.success(), "{}", operation.name);
        let compressed = operation.name == "list-movies";
        assert_eq!(response.header("content-encoding").is_some(), compressed, "{}", operation.name);
        assert_eq!(response.header("vary").is_some(), compressed, "{}", operation.name);
        names.push(operation.name);
    })
    .await;
    assert!(names.contains(&"list-movies") && names.contains(&"get-movie"), "{names:?}");

    // The largest response of another operation.
    let ann = app.create_user("ann").await;
    let casts: Vec<_> = (0..40).map(|number| format!("{number:02}{}", "é".repeat(49))).collect();
    let body = json!({"name": "large", "casts": casts, "genres": ["Drama"]});
    let created = app.send(post("/api/movies", &body).bearer(&ann.token)).await;
    let path = created.header("location").expect("a location");
    let response = app.send(get(path).header("accept-encoding", "gzip")).await;
    assert_eq!((response.header("content-encoding"), &response.body), (None, &created.body));
    assert!(response.body.len() > 4 * LARGE, "{} bytes", response.body.len());
}

/// Returns a movie's item with texts that follow from its number, and have as little in common as those of real movies:
/// two of 180 people, one or two of 11 genres, one of 50 owners.
fn varied(original: &Value, number: usize) -> Value {
    const WORDS: &str =
        "Night,River,House,Stranger,Summer,Ghost,Winter,Letter,Train,Garden,Shadow,Island,Doctor,Queen";
    const FIRST: &str =
        "Anna,Tim,Morgan,Tilda,Sigourney,Al,Robert,Meryl,Denzel,Kate,Toshiro,Juliette,Max,Ingrid,Javier";
    const LAST: &str =
        "Robbins,Freeman,Swinton,Weaver,Pacino,Washington,Streep,Mifune,Binoche,Bergman,Bardem,Karina";
    const GENRES: &str =
        "Drama,Crime,Comedy,Thriller,Horror,War,Western,Romance,Mystery,Animation,Science Fiction";
    let random = hash("movie", number);
    let pick = |texts: &str, byte: usize| {
        let texts: Vec<_> = texts.split(',').collect();
        texts[usize::from(random[byte]) % texts.len()].to_owned()
    };
    let person = |byte: usize| json!({"S": format!("{} {}", pick(FIRST, byte), pick(LAST, byte + 1))});
    let genre = |byte: usize| json!({"S": pick(GENRES, byte)});
    let name = format!("The {} of the {} {number}", pick(WORDS, 0), pick(WORDS, 1));
    let id = id(random);
    let part = |byte: usize, range: u8| random[byte] % range;
    let (day, hour, minute, second) = (1 + part(2, 28), part(3, 24), part(4, 60), part(5, 60));
    let time = format!("2026-10-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", random[6]);
    let mut item = original.clone();
    item["pk"]["S"] = json!(format!("movie#{id}"));
    item["id"]["S"] = json!(id);
    item["name_key"]["S"] = json!(name.to_lowercase());
    item["name"]["S"] = json!(name);
    item["casts"]["L"] = json!([person(7), person(9)]);
    item["genres"]["L"] =
        if random[11].is_multiple_of(2) { json!([genre(12)]) } else { json!([genre(12), genre(13)]) };
    item["added_by"]["S"] = json!(self::id(hash("owner", usize::from(random[14]) % 50)));
    item["created_at"]["S"] = json!(time);
    item["updated_at"]["S"] = json!(time);
    item
}

/// Returns bytes that follow from a number and look random.
fn hash(what: &str, number: usize) -> [u8; 32] {
    Sha256::digest(format!("{what} {number}")).into()
}

/// Returns the id of a day in 2026 with random bytes.
fn id(hash: [u8; 32]) -> String {
    let milliseconds =
        1_790_000_000_000 + u64::from(u32::from_be_bytes([0, hash[29], hash[30], hash[31]])) * 5;
    let random = hash.first_chunk().expect("ten bytes");
    uuid::Builder::from_unix_timestamp_millis(milliseconds, random).into_uuid().to_string()
}

/// Movies that have as little in common as real ones do. The documents publish this ratio.
#[tokio::test]
async fn a_page_of_100_shrinks_to_a_quarter() {
    let app = with_movies(1).await;
    let original = app.items(MOVIES, "movie#").pop().expect("a movie");
    let items = (1..=99).map(|number| varied(&original, number)).collect();
    app.database.put_items(MOVIES, items).expect("the movies");
    let plain = list(&app, "/api/movies", &[]).await;
    let compressed = list(&app, "/api/movies", &["gzip"]).await;
    assert_compressed(&compressed, &plain, "100 movies");
    let (before, after) = (plain.body.len(), compressed.into_bytes().len());
    assert!((25_000..35_000).contains(&before), "{before} bytes");
    assert!(after * 4 <= before, "{after} of {before} bytes");
}
