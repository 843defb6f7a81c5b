//! Cursors of other lists, and cursors that a client makes itself.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use local::gateway::HttpResponse;
use uuid::Uuid;

use super::{movies, names, next};
use crate::{
    expect::expect_problem,
    test_app::{TestApp, get},
};

async fn list(app: &TestApp, query: String) -> HttpResponse {
    app.send(get("/api/movies").query(query)).await
}

fn names_on(page: &HttpResponse) -> Vec<String> {
    let movies = page.json();
    names(movies.as_array().expect("an array")).into_iter().map(str::to_owned).collect()
}

/// Returns a cursor with a correct checksum for an item and a filter: the id of a user, and the length of a prefix.
fn forged(key: &str, name_key: &str, user: Option<&str>, prefix: Option<u16>) -> String {
    let part = |text: &str| {
        let length = u16::try_from(text.len()).expect("a short text").to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    };
    let user = user.map(|id| Uuid::try_parse(id).expect("an id").into_bytes().to_vec());
    let prefix = prefix.map(|length| length.to_be_bytes().to_vec());
    let content =
        [vec![1], part(key), part(name_key), user.unwrap_or_default(), prefix.unwrap_or_default()].concat();
    let checksum = crc32fast::hash(&content).to_be_bytes();
    BASE64_URL_SAFE_NO_PAD.encode([&content[..], &checksum].concat())
}

#[tokio::test]
async fn a_cursor_is_refused_with_other_filters() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    movies(&app, &ann, &["Alien", "Alien 3", "Aliens", "Alone"]).await;
    movies(&app, &bob, &["Alien 4", "Alien 5"]).await;
    let (ann, bob) = (format!("added_by={}", ann.id), format!("added_by={}", bob.id));
    let filters = [
        String::new(),
        "name_prefix=al".to_owned(),
        "name_prefix=ali".to_owned(),
        "name_prefix=alien".to_owned(),
        ann.clone(),
        bob.clone(),
        format!("{ann}&name_prefix=al"),
        format!("{ann}&name_prefix=alien"),
        format!("{bob}&name_prefix=alien"),
    ];
    for (number, filter) in filters.iter().enumerate() {
        let first = list(&app, format!("{filter}&limit=1")).await;
        let target = next(&first).expect("a link");
        let (_, cursor) = target.split_once("cursor=").expect("a cursor");
        app.proxy.clear_calls();
        for (_, other) in filters.iter().enumerate().filter(|(other, _)| *other != number) {
            let response = list(&app, format!("{other}&cursor={cursor}")).await;
            expect_problem(&response, 400, "invalid_cursor");
        }
        assert_eq!(app.proxy.calls().len(), 0, "a faulty request costs no read");
        assert_eq!(list(&app, format!("cursor={cursor}&{filter}")).await.status, 200, "{filter}");
    }
    // Spellings with the same canonical form are the same filter.
    let first = list(&app, format!("{ann}&name_prefix=alien&limit=1")).await;
    let target = next(&first).expect("a link");
    let (_, cursor) = target.split_once("cursor=").expect("a cursor");
    let second = list(&app, format!("name_prefix=+%EF%BC%A1LIEN&{ann}&cursor={cursor}")).await;
    assert_eq!(names_on(&second), ["Alien 3", "Aliens"]);
}

/// DynamoDB rejects a position outside of the condition on the key.
#[tokio::test]
async fn a_forged_cursor_outside_of_the_prefix_is_refused() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["Alien", "Aliens"]).await;
    app.proxy.clear_calls();
    for user in [None, Some(ann.id.as_str())] {
        let filter = user.map(|id| format!("&added_by={id}")).unwrap_or_default();
        for name_key in ["a", "alie", "alh", "alj", "ALIEN", "b", " alien", "\u{10ffff}", &"z".repeat(1024)] {
            let cursor = forged("movie#", name_key, user, Some(5));
            let response = list(&app, format!("name_prefix=alien{filter}&cursor={cursor}")).await;
            expect_problem(&response, 400, "invalid_cursor");
        }
    }
    assert_eq!(app.proxy.calls().len(), 0, "a faulty request costs no read");
}

/// A client that computes the checksum can make a cursor. It leads to a position in the list of the same request, which
/// costs what every page costs.
#[tokio::test]
async fn a_forged_cursor_shows_no_other_list_and_costs_no_more() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    movies(&app, &ann, &["Alien", "Aliens", "Zulu"]).await;
    movies(&app, &bob, &["Alien 4", "Brazil"]).await;
    let user = Some(bob.id.as_str());
    let longest = format!("alien{}", "z".repeat(1019));
    for (name_key, key, prefix, expected) in [
        // Ann's movie, which is not in Bob's list.
        ("alien", "movie#", None, &["Alien 4", "Brazil"][..]),
        ("aliens", "movie#", None, &["Brazil"]),
        ("zulu", "user#", None, &[]),
        ("alien", &"k".repeat(2048), Some(5), &["Alien 4"]),
        ("alien 4 ", "movie#", Some(5), &[]),
        (&longest, "movie#", Some(5), &[]),
    ] {
        let cursor = forged(key, name_key, user, prefix);
        let filter = if prefix.is_some() { "&name_prefix=alien" } else { "" };
        app.proxy.clear_calls();
        let page = list(&app, format!("added_by={}{filter}&cursor={cursor}", bob.id)).await;
        assert_eq!(page.status, 200, "{name_key}: {}", page.body);
        assert_eq!(names_on(&page), expected, "{name_key}");
        let calls = app.proxy.calls();
        let units: Vec<_> = calls.iter().filter_map(|call| call.consumed_capacity.clone()).collect();
        assert_eq!((units.len(), &units[0]["CapacityUnits"]), (1, &serde_json::json!(0.5)), "{units:?}");
    }
}
