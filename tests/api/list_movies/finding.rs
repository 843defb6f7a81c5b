//! Lists of the movies whose name starts with a prefix, that a user added, or both.

use serde_json::{Value, json};

use super::{TRICKY, movies, names, next, walk};
use crate::test_app::{MOVIES, TestApp, delete, get, movie_path, segment};

const UNKNOWN_USER: &str = "019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f";

/// Returns the names on one page that has them all.
async fn found(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.send(get("/api/movies").query(query)).await;
    assert_eq!((page.status, next(&page)), (200, None), "{query}: {}", page.body);
    names(page.json().as_array().expect("an array")).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_prefix_is_compared_like_a_whole_name() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    // In the order of canonical names.
    let all = [
        "100 %",
        "1001 Nights",
        "100_",
        "a b",
        "a+b",
        "Amelie 2",
        "Amélie",
        "Me, Myself & Irene",
        "Straße",
        "STRASSE 2",
        "The Matrix",
        "ｔｈｅ ｍａｔｒｉｘ Ⅲ",
        "THE  MATRIX Reloaded",
        "Theater",
        "Thelma & Louise",
    ];
    movies(&app, &ann, &all).await;
    let (the, matrix, amelie, strasse) = (&all[10..], &all[10..13], &all[5..7], &all[8..10]);
    for (prefix, expected) in [
        ("the", the),
        // Upper and lower case, white space and width.
        ("THE", the),
        ("the+M", matrix),
        ("the%20mAT", matrix),
        ("%20%20The%20%20m%20", matrix),
        ("the%C2%A0matrix", matrix),
        ("%EF%BC%B4he%20m", matrix),
        ("the+matrix+i", &all[11..12]),
        ("the+matrix+%E2%85%A0", &all[11..12]),
        // A space at the end has no effect.
        ("The+", the),
        ("thea", &all[13..14]),
        // Letters with accents are letters of their own, in either Unicode form.
        ("am", amelie),
        ("ame", &amelie[..1]),
        ("AM%C3%89", &amelie[1..]),
        ("ame%CC%81", &amelie[1..]),
        ("stras", strasse),
        ("stra%C3%9F", strasse),
        ("STRASSE+", strasse),
        ("strasse+2", &strasse[1..]),
        ("s%C2%ADtr", strasse),
        // The query is decoded once, as a form is.
        ("a+b", &all[3..4]),
        ("a%2Bb", &all[4..5]),
        ("a%2520b", &[]),
        ("me,", &all[7..8]),
        ("Me%2C+Myself+%26+I", &all[7..8]),
        ("me,&", &all[7..8]),
        ("100%20%25", &all[..1]),
        ("100%25", &[]),
        ("100_", &all[2..3]),
        ("1001", &all[1..2]),
        ("100", &all[..3]),
        // Nothing starts with these.
        ("matrix", &[]),
        ("the*", &[]),
        ("%FF", &[]),
        ("%EF%BF%BD", &[]),
        ("%F4%8F%BF%BF", &[]),
        ("%CC%81", &[]),
    ] {
        app.proxy.clear_calls();
        assert_eq!(found(&app, &format!("name_prefix={prefix}")).await, expected, "{prefix}");
        assert_eq!(app.proxy.calls().len(), 1, "{prefix}");
    }
}

/// Canonical names stay canonical when they are cut, so they tell which movies to expect.
#[tokio::test]
async fn tricky_names_are_found_by_every_beginning() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &TRICKY).await;
    let longest = ["a".repeat(200), format!("{}b", "a".repeat(199)), "🎬".repeat(200), "\u{fdfa}".repeat(30)];
    movies(&app, &ann, &longest.each_ref().map(String::as_str)).await;
    let text = |item: &Value, attribute: &str| item[attribute]["S"].as_str().expect("a text").to_owned();
    let stored = app.items(MOVIES, "movie#");
    let mut stored: Vec<_> = stored.iter().map(|item| (text(item, "name_key"), text(item, "name"))).collect();
    stored.sort();
    for (key, name) in &stored {
        let lengths = (1..=4).chain([key.chars().count() / 2, key.chars().count()]);
        let cuts = lengths.filter(|length| (1..=200).contains(length));
        let cuts = cuts.map(|length| key.chars().take(length).collect::<String>());
        for prefix in cuts.chain([name.clone()]) {
            let begin = if prefix == *name { key } else { prefix.trim_end() };
            let expected: Vec<_> =
                stored.iter().filter(|(key, _)| key.starts_with(begin)).map(|(_, name)| name).collect();
            let walked = walk(&app, &format!("/api/movies?limit=1&name_prefix={}", segment(&prefix))).await;
            assert_eq!(names(&walked.movies), expected, "{prefix}");
            assert_eq!(walked.requests, expected.len(), "{prefix}: the link leads to the rest of this list");
        }
    }
}

#[tokio::test]
async fn a_user_s_movies_are_listed_alone_and_with_a_prefix() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let cid = app.create_user("cid").await;
    movies(&app, &ann, &["Ronin", "ALIEN 3", "Alien"]).await;
    movies(&app, &bob, &["aliens", "Heat", "Al Capone"]).await;
    for (query, expected) in [
        (format!("added_by={}", ann.id), &["Alien", "ALIEN 3", "Ronin"][..]),
        (format!("added_by={}", bob.id), &["Al Capone", "aliens", "Heat"]),
        (format!("added_by={}", cid.id), &[]),
        (format!("added_by={UNKNOWN_USER}"), &[]),
        (format!("added_by={}&name_prefix=AL", ann.id), &["Alien", "ALIEN 3"]),
        (format!("name_prefix=ali&added_by={}", bob.id), &["aliens"]),
        (format!("name_prefix=ro&added_by={}", bob.id), &[]),
        (format!("name_prefix=al&added_by={UNKNOWN_USER}"), &[]),
        ("name_prefix=ali".to_owned(), &["Alien", "ALIEN 3", "aliens"]),
    ] {
        app.proxy.clear_calls();
        assert_eq!(found(&app, &query).await, expected, "{query}");
        assert_eq!(app.proxy.calls().len(), 1, "{query}");
    }
    // The same representation as in the list of all movies.
    let all = walk(&app, "/api/movies").await.movies;
    let own = walk(&app, &format!("/api/movies?added_by={}", ann.id)).await.movies;
    assert_eq!(own, all.into_iter().filter(|movie| movie["added_by"] == ann.id).collect::<Vec<_>>());
    // A deleted movie is gone from the list of its user.
    assert_eq!(app.send(delete(&movie_path(&own[0])).bearer(&ann.token)).await.status, 200);
    assert_eq!(found(&app, &format!("added_by={}", ann.id)).await, ["ALIEN 3", "Ronin"]);
}

#[tokio::test]
async fn the_link_repeats_the_filters_percent_encoded() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["é&=+ \"<>%#?;,~/ 1", "É&=+ \"<>%#?;,~/ 2"]).await;
    let id = &ann.id;
    for (query, filters) in [
        ("limit=1".to_owned(), String::new()),
        // Trimmed and in NFC.
        (
            "limit=1&name_prefix=+e%CC%81%26%3D%2B+%22%3C%3E%25%23%3F;,~/+".to_owned(),
            "name_prefix=%C3%A9%26%3D%2B%20%22%3C%3E%25%23%3F%3B%2C~%2F&".to_owned(),
        ),
        (format!("added_by={id}&limit=1"), format!("added_by={id}&")),
        (format!("added_by={id}&limit=1&name_prefix=%C3%89"), format!("name_prefix=%C3%89&added_by={id}&")),
    ] {
        let page = app.send(get("/api/movies").query(query)).await;
        let target = next(&page).expect("a link");
        let (target, _) = target.split_once("cursor=").expect("a cursor");
        assert_eq!(target, format!("/api/movies?{filters}limit=1&"));
        let rest = walk(&app, &next(&page).expect("a link")).await;
        assert_eq!(names(&rest.movies), ["É&=+ \"<>%#?;,~/ 2"]);
    }
}

/// DynamoDB rejects a sort key of more than 1,024 bytes, also in a condition.
#[tokio::test]
async fn a_prefix_longer_than_any_name_finds_nothing() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let longest = "\u{fdfa}".repeat(30);
    movies(&app, &ann, &[&longest]).await;
    app.proxy.clear_calls();
    for (prefix, expected) in [
        (longest.clone(), &[&*longest][..]),
        ("\u{fdfa}".repeat(31), &[]),
        ("\u{fdfa}".repeat(200), &[]),
        (format!("{longest}{}", "a".repeat(170)), &[]),
    ] {
        for user in [String::new(), format!("&added_by={}", ann.id)] {
            let query = format!("name_prefix={}{user}", segment(&prefix));
            assert_eq!(found(&app, &query).await, expected, "{query}");
        }
    }
    assert_eq!(app.proxy.calls().len(), 2, "only the longest name is looked for");
}

/// The index of a user's movies has whole movies, of which one can be corrupt.
#[tokio::test]
async fn a_corrupt_movie_is_left_out_of_a_user_s_list() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    movies(&app, &ann, &["a", "b", "c"]).await;
    let item = app.items(MOVIES, "movie#").into_iter().find(|item| item["name"]["S"] == "b");
    let key = item.expect("the movie")["pk"]["S"].as_str().expect("a key").to_owned();
    app.edit_item(MOVIES, &key, |item| item["genres"] = json!({"S": "Drama"}));
    let walked = walk(&app, &format!("/api/movies?limit=1&added_by={}", ann.id)).await;
    assert_eq!((names(&walked.movies), walked.sizes.as_slice()), (vec!["a", "c"], &[1, 0, 1][..]));
    app.wait_for_log(&key).await;
}
