//! Valid and invalid values of the parameters.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use local::gateway::HttpResponse;

use super::{TRICKY, movies, next};
use crate::{
    expect::{expect_faults, expect_problem, response_snapshot},
    test_app::{TestApp, get},
};

const LIMIT: (&str, &str) = ("limit", "must be a number from 1 to 500");
const LIMIT_ONCE: (&str, &str) = ("limit", "must be given once");
const CURSOR_ONCE: (&str, &str) = ("cursor", "must be given once");
const PREFIX_ONCE: (&str, &str) = ("name_prefix", "must be given once");
const PREFIX_EMPTY: (&str, &str) = ("name_prefix", "must not be empty");
const PREFIX_INVISIBLE: (&str, &str) = ("name_prefix", "must contain a visible character");
const PREFIX_CONTROL: (&str, &str) = ("name_prefix", "must not contain control characters");
const PREFIX_DIRECTION: (&str, &str) =
    ("name_prefix", "must not contain bidirectional formatting characters");
const PREFIX_LENGTH: (&str, &str) = ("name_prefix", "must have at most 200 characters");
const USER: (&str, &str) = ("added_by", "must be an id: a version 7 UUID in lower case with hyphens");
const USER_ONCE: (&str, &str) = ("added_by", "must be given once");
const UNKNOWN: &str = "is not a known parameter";

async fn list(app: &TestApp, query: &str) -> HttpResponse {
    app.send(get("/api/movies").query(query)).await
}

#[tokio::test]
async fn all_faulty_parameters_are_reported_at_once() {
    let app = TestApp::start().await;
    for (query, faults) in [
        ("limit=0", &[LIMIT][..]),
        ("limit=501", &[LIMIT]),
        ("limit=-1", &[LIMIT]),
        ("limit=+5", &[LIMIT]),
        ("limit=%2B5", &[LIMIT]),
        ("limit=1.5", &[LIMIT]),
        ("limit=1e2", &[LIMIT]),
        ("limit=0x10", &[LIMIT]),
        ("limit=abc", &[LIMIT]),
        ("limit=", &[LIMIT]),
        ("limit", &[LIMIT]),
        ("limit=%20", &[LIMIT]),
        ("limit=1%00", &[LIMIT]),
        ("limit=%D9%A1", &[LIMIT]),
        ("limit=65537", &[LIMIT]),
        ("limit=99999999999999999999999999", &[LIMIT]),
        ("limit=5,5", &[LIMIT]),
        ("limit=5;cursor=x", &[LIMIT]),
        ("limit=5&limit=5", &[LIMIT_ONCE]),
        ("limit=5&limit=6&limit=7", &[LIMIT_ONCE]),
        ("cursor=a&cursor=a", &[CURSOR_ONCE]),
        ("name_prefix=", &[PREFIX_EMPTY]),
        ("name_prefix", &[PREFIX_EMPTY]),
        ("name_prefix=+%20%E3%80%80", &[PREFIX_EMPTY]),
        ("name_prefix=%0A", &[PREFIX_EMPTY]),
        ("name_prefix=%E2%80%8B", &[PREFIX_INVISIBLE]),
        ("name_prefix=+%C2%AD+%E2%80%8D", &[PREFIX_INVISIBLE]),
        ("name_prefix=%00", &[PREFIX_CONTROL]),
        ("name_prefix=a%09b", &[PREFIX_CONTROL]),
        ("name_prefix=a%C2%85b", &[PREFIX_CONTROL]),
        ("name_prefix=a%E2%80%AEb", &[PREFIX_DIRECTION]),
        (&format!("name_prefix={}", "a".repeat(201)), &[PREFIX_LENGTH]),
        (&format!("name_prefix={}", "%F0%9F%8E%AC".repeat(201)), &[PREFIX_LENGTH]),
        ("name_prefix=a&name_prefix=a", &[PREFIX_ONCE]),
        ("name_prefix=a&name_prefix=", &[PREFIX_ONCE]),
        ("added_by=", &[USER]),
        ("added_by", &[USER]),
        ("added_by=me", &[USER]),
        ("added_by=*", &[USER]),
        ("added_by=user%23019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f", &[USER]),
        ("added_by=019A4C5D-1F20-7E4B-8A96-3C7D52E0B18F", &[USER]),
        ("added_by=019a4c5d1f207e4b8a963c7d52e0b18f", &[USER]),
        ("added_by=%7B019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f%7D", &[USER]),
        ("added_by=+019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f", &[USER]),
        ("added_by=019a4c5d-1f20-4e4b-8a96-3c7d52e0b18f", &[USER]),
        ("added_by=019a4c5d-1f20-7e4b-ca96-3c7d52e0b18f", &[USER]),
        ("added_by=019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f,019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f", &[USER]),
        ("added_by=a&added_by=a", &[USER_ONCE, USER]),
        ("Name_prefix=a", &[("Name_prefix", UNKNOWN)]),
        ("name_prefix%5B%5D=a", &[("name_prefix[]", UNKNOWN)]),
        ("genre=Drama", &[("genre", UNKNOWN)]),
        ("cursor=garbage&limit=0&added_by=&name_prefix=", &[PREFIX_EMPTY, USER, LIMIT]),
        ("Limit=5", &[("Limit", UNKNOWN)]),
        ("page=2", &[("page", UNKNOWN)]),
        ("token=secret", &[("token", UNKNOWN)]),
        ("=1", &[("", UNKNOWN)]),
        ("%FF=1", &[("\u{fffd}", UNKNOWN)]),
        ("limit=5&cursor=a&cursor=b&limit=0", &[LIMIT_ONCE, CURSOR_ONCE]),
        ("x=1&limit=0&limit=1&cursor=&cursor=", &[("x", UNKNOWN), LIMIT_ONCE, CURSOR_ONCE, LIMIT]),
        // Invalid parameters are reported before an invalid cursor.
        ("limit=0&cursor=garbage", &[LIMIT]),
    ] {
        expect_faults(&list(&app, query).await, faults);
    }
    assert_eq!(app.proxy.calls().len(), 0, "a faulty request costs no read");
    let response = list(&app, "limit=0&sort=year").await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[request id]"}, @r#"
    {
      "body": {
        "code": "validation_failed",
        "detail": "Some fields are not valid",
        "error": "Some fields are not valid",
        "errors": [
          {
            "field": "sort",
            "message": "is not a known parameter"
          },
          {
            "field": "limit",
            "message": "must be a number from 1 to 500"
          }
        ],
        "request_id": "[request id]",
        "status": 400,
        "title": "Bad Request"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 400
    }
    "#);
}

#[tokio::test]
async fn no_query_makes_a_problem_document_large() {
    let app = TestApp::start().await;
    for parameter in ["x=&", "%01=&", &format!("{}=&", "%01".repeat(120)), &format!("{}=&", "y".repeat(300))]
    {
        // API Gateway accepts about 10 KB of request line and headers. This uses all of it.
        let query = parameter.repeat(10_000 / parameter.len());
        let response = list(&app, &query).await;
        expect_problem(&response, 400, "validation_failed");
        let (bytes, faults) = (response.body.len(), response.json()["errors"].as_array().map_or(0, Vec::len));
        assert!(bytes <= 16 * 1024 && faults <= 50, "{parameter}: {bytes} bytes, {faults} faults");
    }
    assert_eq!(app.proxy.calls().len(), 0, "a faulty request costs no read");
}

#[tokio::test]
async fn unknown_and_empty_parameters_are_ignored() {
    let app = TestApp::start().await;
    for query in ["", "&", "&&limit=5&", "limit=%35", "%6Cimit=5", "name%5Fprefix=a", "name_prefix=a=b&"] {
        assert_eq!(list(&app, query).await.status, 200, "{query}");
    }
}

/// Returns the cursor of a page with one movie whose name is not ASCII.
async fn cursor(app: &TestApp) -> String {
    let ann = app.create_user("ann").await;
    movies(app, &ann, &TRICKY[6..9]).await;
    let target = next(&app.send(get("/api/movies?limit=1")).await).expect("a link");
    target.split("cursor=").nth(1).expect("a cursor").to_owned()
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_is_refused() {
    let app = TestApp::start().await;
    let cursor = cursor(&app).await;
    app.proxy.clear_calls();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
    let (content, _) = bytes.split_last_chunk::<4>().expect("a checksum");
    let forged = |content: &[u8]| {
        let checksum = crc32fast::hash(content).to_be_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([content, &checksum].concat())
    };
    assert_eq!(forged(content), cursor, "this test knows how cursors are made");
    // According to DynamoDB's documentation, a partition key has 1 to 2,048 bytes and a sort key 1 to 1,024.
    let of_lengths = |key: usize, name_key: usize| {
        let part = |length: usize| {
            let bytes = u16::try_from(length).expect("short").to_be_bytes();
            [&bytes[..], &vec![b'a'; length]].concat()
        };
        forged(&[&[1][..], &part(key), &part(name_key)].concat())
    };
    let versions = [0, 2, 255].map(|version| forged(&[&[version], &content[1..]].concat()));
    let refused = [
        String::new(),
        "garbage".to_owned(),
        "null".to_owned(),
        "%00".to_owned(),
        "%FF%FE".to_owned(),
        "%F0%9F%8E%AC".to_owned(),
        "A".repeat(8_000),
        format!("{cursor}="),
        format!("{cursor}A"),
        format!("%20{cursor}"),
        format!("{cursor}%0A"),
        cursor[..cursor.len() - 1].to_owned(),
        cursor[1..].to_owned(),
        cursor.to_uppercase(),
        cursor.repeat(2),
        of_lengths(0, 1),
        of_lengths(1, 0),
        of_lengths(2049, 1),
        of_lengths(1, 1025),
        // Well-formed cursors without a name, with half an id, with a name that is too long for a key, and with bytes
        // that are not UTF-8.
        forged(&content[..17]),
        forged(&content[..9]),
        forged(&[]),
        forged(&[&content[..17], &[b'a'; 1025][..]].concat()),
        forged(&[&content[..17], b"\xff\xfe"].concat()),
    ];
    for cursor in refused.iter().chain(&versions) {
        let response = list(&app, &format!("cursor={cursor}")).await;
        expect_problem(&response, 400, "invalid_cursor");
    }
    assert_eq!(app.proxy.calls().len(), 0, "a faulty request costs no read");
    for accepted in [cursor, of_lengths(1, 1), of_lengths(2048, 1024)] {
        assert_eq!(list(&app, &format!("cursor={accepted}")).await.status, 200, "{accepted}");
    }
    let response = list(&app, "cursor=garbage").await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.request_id" => "[request id]"}, @r#"
    {
      "body": {
        "code": "invalid_cursor",
        "detail": "The cursor is not valid",
        "error": "The cursor is not valid",
        "request_id": "[request id]",
        "status": 400,
        "title": "Bad Request"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/problem+json",
        "x-content-type-options": "nosniff"
      },
      "status": 400
    }
    "#);
}

/// Changes every position of a real cursor. A unit test covers every other value of a byte.
#[tokio::test]
async fn a_cursor_with_one_other_byte_is_refused() {
    let app = TestApp::start().await;
    let cursor = cursor(&app).await;
    for position in 0..cursor.len() {
        let byte = cursor.as_bytes()[position];
        let neighbor = if byte == b'A' { b'B' } else { b'A' };
        for other in [neighbor, byte ^ 0x20, b'*'].into_iter().filter(|other| *other != byte) {
            let (before, after) = (&cursor[..position], &cursor[position + 1..]);
            let response = list(&app, &format!("cursor={before}%{other:02X}{after}")).await;
            expect_problem(&response, 400, "invalid_cursor");
        }
    }
}

/// A client that computes the checksum can make a cursor. It leads to a position in the list and nowhere else.
#[tokio::test]
async fn a_forged_cursor_grants_nothing() {
    let app = TestApp::start().await;
    let cursor = cursor(&app).await;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
    let key_length = usize::from(u16::from_be_bytes([bytes[1], bytes[2]]));
    let up_to_the_key = &bytes[..3 + key_length];
    for (name_key, listed) in
        [("a", 3), ("movie#", 2), ("user#", 1), ("\u{10ffff}", 0), (&*"a".repeat(1024), 3)]
    {
        let length = u16::try_from(name_key.len()).expect("short").to_be_bytes();
        let content = [up_to_the_key, &length, name_key.as_bytes()].concat();
        let checksum = crc32fast::hash(&content).to_be_bytes();
        let forged = BASE64_URL_SAFE_NO_PAD.encode([&content[..], &checksum].concat());
        let page = list(&app, &format!("cursor={forged}")).await;
        assert_eq!((page.status, page.json().as_array().map(Vec::len)), (200, Some(listed)), "{name_key}");
    }
}
