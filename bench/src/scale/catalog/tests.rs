use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// What `create-movie` might have stored.
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
        "catalog": {"S": "movies"},
    });
    let claim = json!({"pk": {"S": format!("name#{name_key}")}, "movie_id": {"S": id}});
    Model::of(&[claim, movie]).expect("a model")
}

fn text<'a>(item: &'a Item, attribute: &str) -> &'a str {
    match &item[attribute] {
        AttributeValue::S(text) => text,
        other => panic!("{attribute} is {other:?}"),
    }
}

#[test]
fn nothing_of_the_model_stays_but_what_is_alike_for_all() {
    let movie = model().movie(51).expect("a movie");
    let [claim, movie] = &movie[..] else { panic!("{movie:?}") };
    let (id, name) = (id(51), name(51));
    assert_eq!(text(movie, "pk"), format!("movie#{id}"));
    assert_eq!(text(movie, "id"), id);
    assert_eq!(text(movie, "name"), name);
    assert_eq!(text(movie, "name_key"), name.to_lowercase());
    assert_eq!(text(movie, "created_at"), "2020-01-01T02:33:00.000Z");
    assert_eq!(text(movie, "updated_at"), text(movie, "created_at"));
    assert_eq!(text(movie, "catalog"), "movies");
    assert_eq!(movie["casts"], model().items[1]["casts"]);
    assert_eq!(text(claim, "pk"), format!("name#{}", name.to_lowercase()));
    assert_eq!(text(claim, "movie_id"), id);
    let owner = |number| text(&model().movie(number).expect("a movie")[1], "added_by").to_owned();
    assert_eq!(owner(51), owner(99));
    assert_ne!(owner(51), owner(100));
    assert_ne!(owner(51), text(&model().items[1], "added_by"));
}

#[test]
fn names_and_ids_are_unique_of_one_length_and_listed_in_the_order_of_names() {
    let names: Vec<String> = listed(20_000).into_iter().map(name).collect();
    assert!(names.is_sorted_by(|one, next| one.to_lowercase() < next.to_lowercase()));
    assert!(names.iter().all(|name| name.len() == 13), "{names:?}");
    let ids: BTreeSet<String> = (0..20_000).map(id).collect();
    assert_eq!(ids.len(), 20_000);
    // Spread over the alphabet, and not by when they were added.
    assert_eq!(names.iter().map(|name| &name[..2]).collect::<BTreeSet<_>>().len(), 64);
}

#[test]
fn a_fingerprint_does_not_depend_on_what_is_random_in_a_model() {
    let mut other = model();
    let new_id = Uuid::from_u128(9).to_string();
    let pairs = [(&*other.parts.id, &*new_id)];
    other.items = other
        .items
        .iter()
        .map(|item| item.iter().map(|(name, value)| (name.clone(), replaced(value, &pairs))).collect())
        .collect();
    other.parts.id = new_id;
    assert_eq!(model().fingerprint(&[]).ok(), other.fingerprint(&[]).ok());
    other.items[0].insert("new".to_owned(), AttributeValue::BOOL(true));
    assert_ne!(model().fingerprint(&[]).ok(), other.fingerprint(&[]).ok());
}
