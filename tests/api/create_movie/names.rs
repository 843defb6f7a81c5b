//! Which names are equal.

use serde_json::json;

use crate::{
    expect::{expect_faults, expect_problem},
    test_app::{MOVIES, TestApp, get, movie, post},
};

#[tokio::test]
async fn a_taken_name_is_refused_in_every_spelling() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for (name, spellings) in [
        (
            "The Matrix",
            &[
                "The Matrix",
                "THE MATRIX",
                "the matrix",
                "  The   Matrix\u{a0}",
                "The\u{3000}Matrix",
                "Ｔｈｅ Ｍａｔｒｉｘ",
                "The Ma\u{ad}trix",
                "The\u{200b} Matrix\u{feff}",
                "T\u{200d}he Matrix",
            ][..],
        ),
        ("Straße", &["STRASSE", "strasse", "STRAẞE"]),
        ("Amélie", &["Ame\u{301}lie", "AMÉLIE", "AME\u{301}LIE"]),
        ("ΟΔΥΣΣΕΥΣ", &["οδυσσευς", "οδυσσευσ"]),
        ("Film ﬁve²", &["FILM FIVE2"]),
        ("ｶﾞﾒﾗ", &["ガメラ"]),
    ] {
        app.create_movie(&ann, name).await;
        let before = app.table_contents();
        for spelling in spellings {
            for user in [&ann, &bob] {
                let response = app.send(post("/api/movies", &movie(spelling)).bearer(&user.token)).await;
                expect_problem(&response, 409, "movie_name_taken");
                assert_eq!(app.table_contents(), before, "{spelling:?}");
            }
        }
    }
}

#[tokio::test]
async fn similar_names_are_different() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let names = ["Alien", "Aliens", "Alién", "A lien", "Alien!", "Аlien", "Alien 3", "movie#1", "name#alien"];
    for name in names {
        app.create_movie(&ann, name).await;
    }
    assert_eq!((app.count(MOVIES, "movie#"), app.count(MOVIES, "name#")), (names.len(), names.len()));
}

#[tokio::test]
async fn a_canonical_name_has_at_most_1000_bytes() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    // This character decomposes to 18 letters in 33 bytes.
    let fits = format!("{}{}", "\u{fdfa}".repeat(30), "a".repeat(10));
    let response = app.send(post("/api/movies", &movie(&format!("{fits}a"))).bearer(&ann.token)).await;
    expect_faults(&response, &[("name", "is too long once its characters are written out")]);
    assert_eq!(app.table_contents(), before);

    let created = app.create_movie(&ann, &fits).await;
    assert_eq!(created["name"], fits);
    assert_eq!(app.items(MOVIES, "movie#")[0]["name_key"]["S"].as_str().map(str::len), Some(1000));
    // The list and its cursors must support it, too.
    app.create_movie(&ann, "a").await;
    app.create_movie(&ann, "\u{10ffff}").await;
    let mut target = "/api/movies?limit=1".to_owned();
    let mut names = Vec::new();
    loop {
        let page = app.send(get(&target)).await;
        names.push(page.json()[0]["name"].clone());
        let Some(link) = page.header("link") else { break };
        target = link.split(['<', '>']).nth(1).expect("a target").to_owned();
    }
    assert_eq!(names, [json!("a"), json!(fits), json!("\u{10ffff}")]);
}

#[tokio::test]
async fn a_name_without_a_visible_character_is_refused() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    for name in ["\u{200b}", "\u{ad}\u{200d}", "\u{2060} \u{feff}", "\u{fe0f}"] {
        let response = app.send(post("/api/movies", &movie(name)).bearer(&ann.token)).await;
        expect_faults(&response, &[("name", "must contain a visible character")]);
        assert_eq!(app.table_contents(), before, "{name:?}");
    }
}
