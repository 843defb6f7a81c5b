//! What must hold over the whole tables at any time, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::test_app::{ACCOUNT_DELETIONS, MOVIES, TestApp, USERS};

/// Panics unless every movie has exactly its claim and every claim its movie, every user has exactly their email claim
/// and every such claim its user, and every user's `movie_count` is the number of their movies.
pub fn assert_consistent(app: &TestApp) {
    let movies = by_key(app, MOVIES, "movie#", "id");
    let names = by_key(app, MOVIES, "name#", "movie_id");
    assert_paired(&movies, &names, "name_key", "name#");
    assert_eq!(app.count(MOVIES, ""), movies.len() + names.len(), "the movies' table holds something else");

    let users = by_key(app, USERS, "user#", "id");
    let emails = by_key(app, USERS, "email#", "user_id");
    assert_paired(&users, &emails, "email_key", "email#");
    assert_eq!(app.count(USERS, ""), users.len() + emails.len(), "the users' table holds something else");
    let account_deletions = app.database.items(ACCOUNT_DELETIONS).expect("items");
    let departing: BTreeSet<&str> =
        account_deletions.iter().map(|account_deletion| text(account_deletion, "user_id")).collect();
    let leaving = users.iter().filter(|(_, user)| text(user, "status") == "deleting");
    assert_eq!(
        departing,
        leaving.map(|(id, _)| id.as_str()).collect(),
        "those who leave have an account deletion"
    );

    for (id, user) in &users {
        let movies = movies.values().filter(|movie| text(movie, "added_by") == id).count();
        assert_eq!(user["movie_count"]["N"], movies.to_string(), "the count of user {id}");
    }
    for (id, movie) in &movies {
        assert!(users.contains_key(text(movie, "added_by")), "the user who added movie {id} is gone");
    }
}

/// Each owner has one claim, which is made of its own `value`; and there are no other claims.
fn assert_paired(
    owners: &BTreeMap<String, Value>,
    claims: &BTreeMap<String, Value>,
    value: &str,
    prefix: &str,
) {
    for (id, owner) in owners {
        let claim = claims.get(id).unwrap_or_else(|| panic!("{} has no claim", text(owner, "pk")));
        let claimed = format!("{prefix}{}", text(owner, value));
        assert_eq!(text(claim, "pk"), claimed, "{} has a claim to something else", text(owner, "pk"));
    }
    for (id, claim) in claims {
        assert!(owners.contains_key(id), "{} is claimed by {id}, which is gone", text(claim, "pk"));
    }
}

/// The items of one kind by the attribute that says whose they are. No two are of the same.
fn by_key(app: &TestApp, table: &str, prefix: &str, key: &str) -> BTreeMap<String, Value> {
    let mut items = BTreeMap::new();
    for item in app.items(table, prefix) {
        let id = text(&item, key).to_owned();
        if let Some(other) = items.insert(id, item.clone()) {
            panic!("{} and {} belong to the same", text(&other, "pk"), text(&item, "pk"));
        }
    }
    items
}

fn text<'a>(item: &'a Value, attribute: &str) -> &'a str {
    item[attribute]["S"].as_str().unwrap_or_else(|| panic!("{attribute} is no text in {item}"))
}
