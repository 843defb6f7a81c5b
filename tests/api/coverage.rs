//! Every place that lists the operations lists the same ones, with the same names and routes.
//!
//! After a change of the operations, the message of [`every_place_lists_the_same_operations_and_routes`] names what is
//! left to do.

mod places;

use std::collections::BTreeSet;

use local::template::Template;
use serde_json::Value;

use crate::operations::{Caller, OPERATIONS};
use places::{EVENTS, OPENAPI, Operations, PLACES, README, ROUTER, TEMPLATE, TESTS};

/// A place that lists operations.
#[derive(Clone)]
struct Place {
    name: &'static str,
    lists: Lists,
    operations: Operations,
    /// What to do if an operation is missing there.
    fix: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Lists {
    /// Every operation.
    Names,
    /// Every operation with its routes, perhaps none.
    Routes,
    /// Only operations that have a route.
    OnlyRoutes,
    /// Only operations of the API itself, which have a route: not those whose routes present the API.
    OnlyApi,
}

/// Returns a description of everything that differs between the places. The template decides about routes.
fn disagreements(places: &[Place]) -> Vec<String> {
    let template = places.iter().find(|place| place.name == TEMPLATE).expect("the template");
    // Some test modules are not about one operation.
    let listing = places.iter().filter(|place| place.name != TESTS);
    let all: BTreeSet<&String> = listing.flat_map(|place| place.operations.keys()).collect();
    let mut found = Vec::new();
    for operation in all {
        let routes = template.operations.get(operation);
        let has_route = routes.is_none_or(|routes| !routes.is_empty());
        let expected = |place: &&Place| match place.lists {
            Lists::Names | Lists::Routes => true,
            Lists::OnlyRoutes => has_route,
            Lists::OnlyApi => has_route && !with_caller(Caller::Browser).contains(&operation.as_str()),
        };
        let (with, without): (Vec<&Place>, Vec<&Place>) =
            places.iter().filter(expected).partition(|place| place.operations.contains_key(operation));
        if !without.is_empty() {
            found.push(missing(operation, &with, &without));
        }
        let Some(routes) = routes else { continue };
        for place in places.iter().filter(|place| has_routes(place)) {
            match place.operations.get(operation) {
                // An event is for one of the routes.
                Some(other) if place.name == EVENTS && other.len() == 1 && other.is_subset(routes) => {}
                Some(other) if other != routes => found.push(format!(
                    "{operation} has the routes {other:?} in {}, but {routes:?} in {TEMPLATE}.\n\
                     To fix this: make {0} say the same as {TEMPLATE}.",
                    place.name
                )),
                _ => {}
            }
        }
    }
    found
}

/// Whether a place says which routes an operation has.
fn has_routes(place: &Place) -> bool {
    place.lists == Lists::Routes || [OPENAPI, ROUTER].contains(&place.name)
}

/// Describes which places lack an operation, and how to mend each.
fn missing(operation: &str, with: &[&Place], without: &[&Place]) -> String {
    let names = |places: &[&Place]| places.iter().map(|place| place.name).collect::<Vec<_>>().join("; ");
    let step = |(index, place): (usize, &&Place)| format!("\n{}. {}: {}", index + 1, place.name, place.fix);
    let steps: String = without.iter().enumerate().map(step).collect();
    format!(
        "{operation} is in: {}. It is not in: {}.\nTo fix this:{steps}\n\
         Or, if there is no such operation any more, remove it from the places that have it.",
        names(with),
        names(without)
    )
}

#[test]
fn every_place_lists_the_same_operations_and_routes() {
    let found = disagreements(&PLACES);
    assert!(found.is_empty(), "\n{}\n", found.join("\n\n"));
    assert_eq!(PLACES[0].operations.len(), OPERATIONS.len());
}

/// Returns the names of the operations with this caller. An operation without a route by mistake is not among those of
/// [`Caller::Aws`].
fn with_caller(caller: Caller) -> Vec<&'static str> {
    let operations = OPERATIONS.iter().filter(|operation| operation.caller == caller);
    operations.map(|operation| operation.name).collect()
}

#[test]
fn every_operation_that_clients_call_has_a_route() {
    for place in PLACES.iter().filter(|place| place.lists == Lists::Routes) {
        let without = place.operations.iter().filter(|(_, routes)| routes.is_empty());
        let without: Vec<&str> = without.map(|(operation, _)| operation.as_str()).collect();
        assert_eq!(without, with_caller(Caller::Aws), "{}", place.name);
    }
    for place in PLACES.iter() {
        let others = match place.lists {
            Lists::Names | Lists::Routes => Vec::new(),
            Lists::OnlyRoutes => with_caller(Caller::Aws),
            Lists::OnlyApi => [with_caller(Caller::Aws), with_caller(Caller::Browser)].concat(),
        };
        for operation in others {
            assert!(!place.operations.contains_key(operation), "{operation} is in {}", place.name);
        }
    }
}

#[test]
fn the_deployment_test_has_a_call_for_every_statement() {
    let template = Template::load(TEMPLATE).expect("template.yaml is readable");
    let calls = places::calls_of_statements();
    for function in template.functions() {
        let operation = &function.operation;
        let sids = function.statements.iter().filter_map(|statement| statement["Sid"].as_str());
        // Every call writes a log. The other statements of the shared policy are conditional.
        let mut own: BTreeSet<String> = sids.filter(|sid| *sid != "WriteLogs").map(str::to_owned).collect();
        if own.is_empty() {
            own.insert("WriteLogs".to_owned());
        }
        assert_eq!(
            calls.get(operation),
            Some(&own),
            "{operation}: left has calls in tests/deploy/calls.py, right is in template.yaml.\n\
             To fix this: name in CALLS the call that needs each statement."
        );
        assert!(function.statements.iter().all(|statement| statement["Sid"] != Value::Null), "{operation}");
    }
}

#[test]
fn the_graph_of_concurrency_has_the_hashing_functions() {
    let hashing = OPERATIONS.iter().filter(|operation| operation.hashes);
    let hashing: BTreeSet<String> = hashing.map(|operation| operation.name.to_owned()).collect();
    assert_eq!(places::on_graph_of_concurrency(), hashing, "left is on Dashboard in template.yaml");
}

/// Returns what is found after `change` at one place, except what is wrong without the change.
fn found_after(place: &str, change: impl FnOnce(&mut Operations)) -> Vec<String> {
    let mut places = PLACES.clone();
    change(&mut places.iter_mut().find(|other| other.name == place).expect("the place").operations);
    let already = disagreements(&PLACES);
    disagreements(&places).into_iter().filter(|found| !already.contains(found)).collect()
}

/// Takes each operation away from each place, one at a time.
#[test]
fn an_operation_that_is_missing_anywhere_is_found() {
    for place in PLACES.iter() {
        let listed = place.operations.keys().filter(|name| PLACES[0].operations.contains_key(*name));
        let listed: Vec<&String> = listed.collect();
        assert!(listed.len() >= 6, "{}: {listed:?}", place.name);
        for operation in listed {
            let found = found_after(place.name, |operations| drop(operations.remove(operation)));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("{operation} is in: ")), "{found:?}");
            let (_, missing) = found[0].split_once("It is not in: ").expect("where it is missing");
            let (missing, steps) = missing.split_once("\nTo fix this:").expect("how to fix it");
            assert!(steps.contains(&format!("\n1. {}: {}", place.name, place.fix)), "{found:?}");
            // Only the template says that an operation has no route. Without it, the operation is missing in the places
            // of routes, too.
            let alone = missing == format!("{}.", place.name);
            let without_route = with_caller(Caller::Aws).contains(&operation.as_str());
            assert!(alone || without_route && missing.starts_with(place.name), "{found:?}");
        }
    }
}

#[test]
fn an_operation_too_many_is_found_wherever_it_is() {
    for Place { name: place, .. } in PLACES.iter().filter(|place| place.name != TESTS) {
        let found = found_after(place, |operations| {
            operations.insert("play-movie".to_owned(), BTreeSet::from(["GET /api/play".to_owned()]));
        });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("play-movie is in: {place}. It is not in: ")), "{found:?}");
    }
}

#[test]
fn a_route_that_differs_is_found_wherever_it_is() {
    for place in [EVENTS, OPENAPI, ROUTER, README] {
        for other in [
            &["PATCH /api/movies/{id}"][..],
            &["PUT /api/movies/{movie}"],
            &["PUT /api/movies/{id}", "GET /"],
        ] {
            let found = found_after(place, |operations| {
                operations.insert("update-movie".to_owned(), other.iter().map(ToString::to_string).collect());
            });
            assert_eq!(found.len(), 1, "{found:?}");
            let told = format!("in {place}, but {{\"PUT /api/movies/{{id}}\"}}");
            assert!(found[0].contains(&told), "{found:?}");
        }
    }
    // The template is what the others are compared with, so each of them is named.
    let found = found_after(TEMPLATE, |operations| {
        operations.insert("update-movie".to_owned(), BTreeSet::from(["PATCH /".to_owned()]));
    });
    assert_eq!(found.len(), 4, "{found:?}");
}

/// A function that only an event of AWS calls has no route.
#[test]
fn an_operation_without_a_route_needs_none() {
    let mut places = PLACES.clone();
    for place in places.iter_mut().filter(|place| place.lists != Lists::OnlyRoutes) {
        place.operations.insert("tidy-up".to_owned(), BTreeSet::new());
    }
    assert_eq!(disagreements(&places).len(), disagreements(&PLACES).len());
}
