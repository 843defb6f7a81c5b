//! Invariants of the tables, which hold at any time after any failure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::test_app::{ACCOUNT_DELETIONS, MOVIES, TestApp, USERS};

/// Panics unless every movie has exactly one claim and every claim a movie, every user has exactly one email claim and
/// every email claim a user, every user with the status `deleting` has an account deletion, and every user's
/// `movie_count` is the number of their movies.
pub fn assert_consistent(app: &TestApp) {
    let movies = by_key(app, MOVIES, "movie#", "id");
    let names = by_key(app, MOVIES, "name#", "movie_id");
    assert_paired(&movies, &names, "name_key", "name#");
    assert_eq!(app.count(MOVIES, ""), movies.len() + names.len(), "the table of movies has other items");

    let users = by_key(app, USERS, "user#", "id");
    let emails = by_key(app, USERS, "email#", "user_id");
    assert_paired(&users, &emails, "email_key", "email#");
    assert_eq!(app.count(USERS, ""), users.len() + emails.len(), "the table of users has other items");
    let account_deletions = app.database.items(ACCOUNT_DELETIONS).expect("items");
    let requested: BTreeSet<&str> =
        account_deletions.iter().map(|account_deletion| text(account_deletion, "user_id")).collect();
    let deleting = users.iter().filter(|(_, user)| text(user, "status") == "deleting");
    assert_eq!(
        requested,
        deleting.map(|(id, _)| id.as_str()).collect(),
        "exactly the users with the status `deleting` have an account deletion"
    );

    for (id, user) in &users {
        let movies = movies.values().filter(|movie| text(movie, "added_by") == id).count();
        assert_eq!(user["movie_count"]["N"], movies.to_string(), "the count of user {id}");
    }
    for (id, movie) in &movies {
        assert!(users.contains_key(text(movie, "added_by")), "the user who added movie {id} does not exist");
    }
}

/// Panics unless each owner has exactly one claim, made of its own `value`, and there are no other claims.
fn assert_paired(
    owners: &BTreeMap<String, Value>,
    claims: &BTreeMap<String, Value>,
    value: &str,
    prefix: &str,
) {
    for (id, owner) in owners {
        let claim = claims.get(id).unwrap_or_else(|| panic!("{} has no claim", text(owner, "pk")));
        let claimed = format!("{prefix}{}", text(owner, value));
        assert_eq!(text(claim, "pk"), claimed, "{} has another claim", text(owner, "pk"));
    }
    for (id, claim) in claims {
        assert!(owners.contains_key(id), "{} is claimed by {id}, which does not exist", text(claim, "pk"));
    }
}

/// Returns the items of one kind by the attribute that names their owner. Panics if two have the same owner.
fn by_key(app: &TestApp, table: &str, prefix: &str, key: &str) -> BTreeMap<String, Value> {
    let mut items = BTreeMap::new();
    for item in app.items(table, prefix) {
        let id = text(&item, key).to_owned();
        if let Some(other) = items.insert(id, item.clone()) {
            panic!("{} and {} have the same owner", text(&other, "pk"), text(&item, "pk"));
        }
    }
    items
}

fn text<'a>(item: &'a Value, attribute: &str) -> &'a str {
    item[attribute]["S"].as_str().unwrap_or_else(|| panic!("{attribute} is not a string in {item}"))
}
