//! `PUT /api/movies/{id}`.

mod access;
mod races;
mod rename;

use serde_json::{Value, json};

use crate::{
    consistency::assert_consistent,
    expect::{expect_faults, expect_problem, response_snapshot},
    test_app::{MOVIES, TestApp, TestUser, USERS, get, movie_key, movie_path, post, put, stored_version},
};

/// Creates a movie that was last updated a while ago.
async fn old_movie(app: &TestApp, owner: &TestUser, name: &str) -> Value {
    let mut movie = app.create_movie(owner, name).await;
    let long_ago = json!("2020-02-29T23:59:59.999Z");
    app.edit_item(MOVIES, &movie_key(&movie), |item| {
        item["created_at"]["S"] = long_ago.clone();
        item["updated_at"]["S"] = long_ago.clone();
    });
    movie["created_at"] = long_ago.clone();
    movie["updated_at"] = long_ago;
    movie
}

#[tokio::test]
async fn every_subset_of_the_fields_changes_just_those() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    for subset in 1..8_usize {
        let old = old_movie(&app, &ann, &format!("Alien {subset}")).await;
        let (mut body, mut expected) = (json!({}), old.clone());
        let changes = [
            ("name", json!(format!(" Aliens {subset} ")), json!(format!("Aliens {subset}"))),
            ("casts", json!([" Newt "]), json!(["Newt"])),
            ("genres", json!(["Action", "War"]), json!(["Action", "War"])),
        ];
        for (position, (field, sent, kept)) in changes.into_iter().enumerate() {
            if subset & (1 << position) != 0 {
                body[field] = sent;
                expected[field] = kept;
            }
        }
        let response = app.send(put(&movie_path(&old), &body).bearer(&ann.token)).await;
        assert_eq!(response.status, 200, "{body}: {}", response.body);
        let new = response.json();
        assert!(new["updated_at"].as_str() > old["updated_at"].as_str(), "{new}");
        expected["updated_at"] = new["updated_at"].clone();
        assert_eq!(new, expected, "{body}");
        assert_eq!(app.send(get(&movie_path(&old))).await.json(), new, "read your own write");

        let item = app.item(MOVIES, &movie_key(&old)).expect("the movie");
        let name_key = new["name"].as_str().expect("a name").to_lowercase();
        assert_eq!(item["name_key"]["S"], name_key);
        let claim = app.item(MOVIES, &format!("name#{name_key}")).expect("the claim");
        assert_eq!(claim["movie_id"]["S"], new["id"]);
        assert_eq!((&item["name"]["S"], &item["updated_at"]["S"]), (&new["name"], &new["updated_at"]));
    }
    assert_eq!((app.count(MOVIES, "movie#"), app.count(MOVIES, "name#")), (7, 7));
    let count = app.item(USERS, &format!("user#{}", ann.id)).expect("ann")["movie_count"]["N"].clone();
    assert_eq!(count, "7");
}

#[tokio::test]
async fn the_changed_movie_is_returned_completely() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let old = old_movie(&app, &ann, "Alien").await;
    let body = json!({"name": "Aliens", "genres": ["Action"]});
    let response = app.send(put(&movie_path(&old), &body).bearer(&ann.token)).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {
        ".headers.etag" => "[tag]",
        ".body.id" => "[id]",
        ".body.added_by" => "[user id]",
        ".body.updated_at" => "[time]",
    }, @r#"
    {
      "body": {
        "added_by": "[user id]",
        "casts": [
          "Tim Robbins",
          "Morgan Freeman"
        ],
        "created_at": "2020-02-29T23:59:59.999Z",
        "genres": [
          "Action"
        ],
        "id": "[id]",
        "name": "Aliens",
        "updated_at": "[time]"
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "etag": "[tag]",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
    let new = response.json();
    let stored = json!({
        "pk": {"S": movie_key(&old)},
        "id": {"S": old["id"]},
        "name": {"S": "Aliens"},
        "name_key": {"S": "aliens"},
        "casts": {"L": [{"S": "Tim Robbins"}, {"S": "Morgan Freeman"}]},
        "genres": {"L": [{"S": "Action"}]},
        "added_by": {"S": ann.id},
        "created_at": {"S": "2020-02-29T23:59:59.999Z"},
        "updated_at": {"S": new["updated_at"]},
        "version": {"B": stored_version(&response)},
        "catalog": {"S": "movies"},
    });
    let claim = json!({"pk": {"S": "name#aliens"}, "movie_id": {"S": old["id"]}});
    assert_eq!(app.items(MOVIES, ""), [stored, claim]);
    assert_eq!(app.send(get("/api/movies")).await.json(), json!([new]));
}

#[tokio::test]
async fn faulty_bodies_change_nothing() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let movie = app.create_movie(&ann, "Alien").await;
    let before = app.table_contents();
    let least = ("body", "must have at least one of name, casts, genres");
    let unknown = "is not a known field";
    for (body, faults) in [
        (json!({}), &[least][..]),
        (json!({"name": null}), &[("name", "must be a string")]),
        (json!({"casts": null}), &[("casts", "must be an array of strings")]),
        (json!({"genres": null}), &[("genres", "must be an array of strings")]),
        (json!({"name": "Aliens", "casts": null}), &[("casts", "must be an array of strings")]),
        (json!({"name": "\u{200b}"}), &[("name", "must contain a visible character")]),
        (
            json!({"name": "\u{fdfa}".repeat(31)}),
            &[("name", "is too long once its characters are written out")],
        ),
        (json!({"name": "a".repeat(201)}), &[("name", "must have at most 200 characters")]),
        (json!({"casts": vec!["a"; 101]}), &[("casts", "must have 1 to 100 items")]),
        (json!({"casts": ["a".repeat(101)]}), &[("casts[0]", "must have at most 100 characters")]),
        (json!({"genres": vec!["a"; 21]}), &[("genres", "must have 1 to 20 items")]),
        (json!({"genres": ["a", "a".repeat(51)]}), &[("genres[1]", "must have at most 50 characters")]),
        (json!({"id": "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7"}), &[least, ("id", unknown)]),
        (json!({"name": "Aliens", "added_by": ann.id}), &[("added_by", unknown)]),
        (json!({"name": "Aliens", "created_at": "2020-01-01T00:00:00.000Z"}), &[("created_at", unknown)]),
        (json!({"name": "Aliens", "updated_at": "2020-01-01T00:00:00.000Z"}), &[("updated_at", unknown)]),
        (json!({"name": "Aliens", "catalog": "hidden"}), &[("catalog", unknown)]),
        (json!({"name": "Aliens", "name_key": "b"}), &[("name_key", unknown)]),
        (
            movie.clone(),
            &[("added_by", unknown), ("created_at", unknown), ("id", unknown), ("updated_at", unknown)],
        ),
        (
            json!({"name": 1, "casts": ["a", "", 2], "genres": [], "x": 1}),
            &[
                ("name", "must be a string"),
                ("casts[1]", "must not be empty"),
                ("casts[2]", "must be a string"),
                ("genres", "must have 1 to 20 items"),
                ("x", unknown),
            ],
        ),
    ] {
        let response = app.send(put(&movie_path(&movie), &body).bearer(&ann.token)).await;
        expect_faults(&response, faults);
        assert_eq!(app.table_contents(), before, "{body}");
    }
}

#[tokio::test]
async fn a_response_can_be_sent_back_as_an_update() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let body = json!({"name": "e\u{301}".repeat(100), "casts": ["\"\\"], "genres": ["🎬".repeat(50)]});
    let mut movie = app.send(post("/api/movies", &body).bearer(&ann.token)).await.json();
    let back = json!({"name": movie["name"], "casts": movie["casts"], "genres": movie["genres"]});
    let response = app.send(put(&movie_path(&movie), &back).bearer(&ann.token)).await;
    movie["updated_at"] = response.json()["updated_at"].clone();
    assert_eq!((response.status, response.json()), (200, movie));
    expect_problem(&app.send(put("/api/movies/x", &back).bearer(&ann.token)).await, 404, "movie_not_found");
}

/// The clock of the machine that made the last update was ahead.
#[tokio::test]
async fn updated_at_never_moves_back() {
    const AHEAD: &str = "2099-01-01T00:00:00.000Z";
    for body in [json!({"genres": ["Horror"]}), json!({"name": "ALIEN"}), json!({"name": "Aliens"})] {
        let app = TestApp::start().await;
        let ann = app.create_user("ann").await;
        let movie = app.create_movie(&ann, "Alien").await;
        app.edit_item(MOVIES, &movie_key(&movie), |item| item["updated_at"]["S"] = json!(AHEAD));
        let response = app.send(put(&movie_path(&movie), &body).bearer(&ann.token)).await;
        let updated = response.json();
        let updated_at = updated["updated_at"].as_str().expect("a time");
        // An update without a name has a time of its own.
        assert!((AHEAD..="2099-01-01T00:00:00.001Z").contains(&updated_at), "{body}: {updated}");
        assert_eq!(app.send(get(&movie_path(&movie))).await.json(), response.json(), "{body}");
        assert_consistent(&app);
    }
}
