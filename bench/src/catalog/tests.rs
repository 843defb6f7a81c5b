use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::operation::FOUND_PAGE;

/// Returns a model of a movie that `create-movie` might have stored.
pub fn model() -> Model {
    let (id, owner) = (Uuid::from_u128(7).to_string(), Uuid::from_u128(8).to_string());
    let (name, name_key) = (name(0), name(0).to_lowercase());
    let time = "2026-01-01T00:00:00.123Z";
    let movie = json!({
        "pk": {"S": format!("movie#{id}")},
        "id": {"S": id},
        "name": {"S": name},
        "name_key": {"S": name_key},
        "casts": {"L": [{"S": "Tim Robbins"}]},
        "added_by": {"S": owner},
        "created_at": {"S": time},
        "updated_at": {"S": time},
        "version": {"B": BASE64_STANDARD.encode(Uuid::from_u128(9))},
        "catalog": {"S": "movies"},
    });
    let claim = json!({"pk": {"S": format!("name#{name_key}")}, "movie_id": {"S": id}});
    Model::of(&[claim, movie]).expect("a model")
}

/// Returns the items of a movie in DynamoDB JSON, the movie first.
fn items(number: u64) -> Vec<Value> {
    let items = model().movie(number).expect("a movie");
    items.into_iter().map(|item| serde_json::to_value(item).expect("JSON")).collect()
}

#[test]
fn a_movie_keeps_only_what_all_movies_share() {
    let [movie, claim] = &items(51)[..] else { panic!("two items") };
    let (id, name) = (id(51), name(51));
    assert_eq!(
        *movie,
        json!({
            "pk": {"S": format!("movie#{id}")},
            "id": {"S": id},
            "name": {"S": name},
            "name_key": {"S": name.to_lowercase()},
            "casts": {"L": [{"S": "Tim Robbins"}]},
            "added_by": movie["added_by"],
            "created_at": {"S": "2020-01-01T02:33:00.000Z"},
            "updated_at": {"S": "2020-01-01T02:33:00.000Z"},
            "version": movie["version"],
            "catalog": {"S": "movies"},
        })
    );
    assert_eq!(*claim, json!({"pk": {"S": format!("name#{}", name.to_lowercase())}, "movie_id": {"S": id}}));
    assert_eq!(movie["added_by"]["S"], owner(51));
    assert_eq!(owner(51), owner(99));
    assert_ne!(owner(51), owner(100));
    assert_ne!(owner(51), model().texts[3]);
}

#[test]
fn a_page_of_found_movies_is_full_in_the_smallest_catalog() {
    let fit = |fits: &dyn Fn(u64) -> bool| (0..1_000).filter(|number| fits(*number)).count();
    assert!(fit(&|number| name(number).starts_with(PREFIX)) > FOUND_PAGE);
    assert_eq!(fit(&|number| owner(number) == owner(0)), FOUND_PAGE);
}

#[test]
fn names_and_ids_are_unique_and_names_are_listed_in_order() {
    let names: Vec<String> = listed(20_000).into_iter().map(name).collect();
    assert!(names.is_sorted_by(|one, next| one.to_lowercase() < next.to_lowercase()));
    assert!(names.iter().all(|name| name.len() == 13), "{names:?}");
    let ids: BTreeSet<String> = (0..20_000).map(id).collect();
    assert_eq!(ids.len(), 20_000);
    // Codes begin with all pairs of digits.
    assert_eq!(names.iter().map(|name| &name[4..6]).collect::<BTreeSet<_>>().len(), 256);
}

#[test]
fn a_fingerprint_ignores_the_random_parts_of_a_model() {
    let (model, mut other) = (model(), model());
    let new_id = Uuid::from_u128(9).to_string();
    other.json = other.json.replace(&other.texts[0], &new_id);
    other.texts[0] = new_id;
    let new_version = BASE64_STANDARD.encode(Uuid::from_u128(10));
    other.json = other.json.replace(&other.texts[5], &new_version);
    other.texts[5] = new_version;
    assert_eq!(model.fingerprint(&[]).ok(), other.fingerprint(&[]).ok());
    other.json = other.json.replace("catalog", "new");
    assert_ne!(model.fingerprint(&[]).ok(), other.fingerprint(&[]).ok());
}
