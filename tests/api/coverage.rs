//! One name per operation everywhere: every place that lists the operations lists the same ones, with the same routes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::LazyLock,
};

use local::template::Template;
use serde_json::Value;

use crate::contract;

/// What one place says: each operation with its routes, such as `GET /api/movies/{id}`.
#[derive(Clone)]
struct Place {
    name: &'static str,
    says: Says,
    operations: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// Which operations there are.
    Names,
    /// Also which routes each has, perhaps none.
    Routes,
    /// Only those that have routes.
    RoutesAlone,
}

/// What the project says about itself, read once.
static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let cargo = cargo_metadata();
    vec![
        Place { name: TEMPLATE, says: Says::Routes, operations: in_template() },
        Place { name: FUNCTIONS, says: Says::Names, operations: in_functions() },
        Place { name: BINARIES, says: Says::Names, operations: in_binaries(&cargo) },
        Place { name: EVENTS, says: Says::Routes, operations: in_events() },
        Place { name: TESTS, says: Says::Names, operations: in_tests() },
        Place { name: OPENAPI, says: Says::RoutesAlone, operations: in_openapi() },
        Place { name: ROUTER, says: Says::RoutesAlone, operations: in_router(&cargo) },
    ]
});

const TEMPLATE: &str = "template.yaml";
const FUNCTIONS: &str = "functions/<operation>/main.rs";
const BINARIES: &str = "[[bin]] in Cargo.toml";
const EVENTS: &str = "events/<operation>.json";
const TESTS: &str = "tests/api/<operation>.rs, named in tests/api/main.rs";
const OPENAPI: &str = "openapi.yaml";
const ROUTER: &str = "[workspace.metadata.lambda.watch.router] in Cargo.toml";

/// Everything on which the places do not agree, in words. The template decides about routes.
fn disagreements(places: &[Place]) -> Vec<String> {
    let template = places.iter().find(|place| place.name == TEMPLATE).expect("the template");
    // Among the tests there are files that are not about one operation.
    let listing = places.iter().filter(|place| place.name != TESTS);
    let all: BTreeSet<&String> = listing.flat_map(|place| place.operations.keys()).collect();
    let mut found = Vec::new();
    for operation in all {
        let routes = template.operations.get(operation);
        let expected = |place: &&Place| {
            place.says != Says::RoutesAlone || routes.is_none_or(|routes| !routes.is_empty())
        };
        let (with, without): (Vec<&Place>, Vec<&Place>) =
            places.iter().filter(expected).partition(|place| place.operations.contains_key(operation));
        if !without.is_empty() {
            let names =
                |places: &[&Place]| places.iter().map(|place| place.name).collect::<Vec<_>>().join("; ");
            found.push(format!("{operation} is in: {}. It is not in: {}.", names(&with), names(&without)));
        }
        let Some(routes) = routes else { continue };
        for place in places.iter().filter(|place| place.says != Says::Names) {
            match place.operations.get(operation) {
                Some(other) if other != routes => found.push(format!(
                    "{operation} has the routes {other:?} in {}, but {routes:?} in {TEMPLATE}.",
                    place.name
                )),
                _ => {}
            }
        }
    }
    found
}

fn in_template() -> BTreeMap<String, BTreeSet<String>> {
    let template = Template::load(TEMPLATE).expect("template.yaml is readable");
    let operation = |function: &local::template::FunctionDefinition| {
        let operation = &function.operation;
        let properties = &template.document()["Resources"][&function.logical_id]["Properties"];
        let well_named = function.logical_id == format!("{}Function", pascal_case(operation))
            && properties["CodeUri"] == format!("target/lambda/{operation}/");
        let routes = function.routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        let unknown = || format!("{} of {}", properties["CodeUri"], function.logical_id);
        (if well_named { operation.clone() } else { unknown() }, routes)
    };
    template.functions().iter().map(operation).collect()
}

fn in_functions() -> BTreeMap<String, BTreeSet<String>> {
    let with_main =
        |name: &String| fs::exists(format!("functions/{name}/main.rs")).expect("a readable folder");
    entries("functions").into_iter().filter(with_main).map(without_routes).collect()
}

fn in_binaries(cargo: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = cargo["packages"].as_array().expect("packages");
    let package =
        packages.iter().find(|package| package["name"] == "movie-bag").expect("the functions' package");
    let targets = package["targets"].as_array().expect("targets").iter();
    let binaries = targets.filter(|target| target["kind"] == serde_json::json!(["bin"]));
    let name = |target: &Value| {
        let (name, source) = (text(&target["name"]), text(&target["src_path"]));
        if source.ends_with(&format!("/functions/{name}/main.rs")) {
            name
        } else {
            format!("{name} at {source}")
        }
    };
    binaries.map(name).map(without_routes).collect()
}

fn in_events() -> BTreeMap<String, BTreeSet<String>> {
    let event = |file: String| {
        let content = fs::read_to_string(format!("events/{file}")).expect("a readable file");
        let event: Value =
            serde_json::from_str(&content).unwrap_or_else(|error| panic!("events/{file}: {error}"));
        let routes = event["routeKey"].as_str().map(str::to_owned).into_iter().collect();
        (file.strip_suffix(".json").unwrap_or(&file).to_owned(), routes)
    };
    entries("events").into_iter().map(event).collect()
}

fn in_tests() -> BTreeMap<String, BTreeSet<String>> {
    let main = fs::read_to_string("tests/api/main.rs").expect("tests/api/main.rs");
    let modules = main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    modules.map(|module| without_routes(module.replace('_', "-"))).collect()
}

fn in_openapi() -> BTreeMap<String, BTreeSet<String>> {
    let mut operations = BTreeMap::<_, BTreeSet<_>>::new();
    for (method, path, operation) in contract::operations() {
        operations.entry(text(&operation["operationId"])).or_default().insert(format!("{method} {path}"));
    }
    operations
}

fn in_router(cargo: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut operations = BTreeMap::<_, BTreeSet<_>>::new();
    let router = cargo["metadata"]["lambda"]["watch"]["router"].as_object();
    for (path, targets) in router.into_iter().flatten() {
        for target in targets.as_array().unwrap_or_else(|| panic!("{path} in the router is no list")) {
            let route = format!("{} {path}", text(&target["method"]));
            operations.entry(text(&target["function"])).or_default().insert(route);
        }
    }
    operations
}

/// The manifests as Cargo itself reads them.
fn cargo_metadata() -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let output = command.output().expect("cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

fn without_routes(operation: String) -> (String, BTreeSet<String>) {
    (operation, BTreeSet::new())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn pascal_case(operation: &str) -> String {
    operation.split('-').flat_map(|word| [word[..1].to_uppercase(), word[1..].to_owned()]).collect()
}

#[test]
fn every_place_lists_the_same_operations_and_routes() {
    let found = disagreements(&PLACES);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let operations: Vec<_> = PLACES[0].operations.keys().map(String::as_str).collect();
    let expected = [
        "change-password",
        "create-movie",
        "delete-account",
        "delete-movie",
        "get-account",
        "get-movie",
        "list-movies",
        "login",
        "logout",
        "purge-account",
        "signup",
        "update-movie",
    ];
    assert_eq!(operations, expected);
}

/// The operations that nobody calls over HTTP. An operation that lost its route by mistake is not among them.
const WITHOUT_ROUTE: [&str; 1] = ["purge-account"];

#[test]
fn every_operation_but_those_that_need_none_has_a_route() {
    for place in PLACES.iter().filter(|place| place.says == Says::Routes) {
        let without = place.operations.iter().filter(|(_, routes)| routes.is_empty());
        let without: Vec<&str> = without.map(|(operation, _)| operation.as_str()).collect();
        assert_eq!(without, WITHOUT_ROUTE, "{}", place.name);
    }
    for place in PLACES.iter().filter(|place| place.says == Says::RoutesAlone) {
        for operation in WITHOUT_ROUTE {
            assert!(!place.operations.contains_key(operation), "{operation} has a route in {}", place.name);
        }
    }
}

/// What is found after `change` at one place, apart from what may be wrong anyway.
fn found_after(place: &str, change: impl FnOnce(&mut BTreeMap<String, BTreeSet<String>>)) -> Vec<String> {
    let mut places = PLACES.clone();
    change(&mut places.iter_mut().find(|other| other.name == place).expect("the place").operations);
    let already = disagreements(&PLACES);
    disagreements(&places).into_iter().filter(|found| !already.contains(found)).collect()
}

/// Takes each operation away from the place, one at a time.
fn misses_every_operation_of(place: &str) {
    let operations = &PLACES.iter().find(|other| other.name == place).expect("the place").operations;
    let listed: Vec<_> = operations.keys().filter(|name| PLACES[0].operations.contains_key(*name)).collect();
    assert!(listed.len() >= 6, "{listed:?}");
    for operation in listed {
        let found = found_after(place, |operations| drop(operations.remove(operation)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{operation} is in: ")), "{found:?}");
        // Without the template, an operation of which only it says that it has no route has none elsewhere either.
        let (_, missing) = found[0].split_once("It is not in: ").expect("where it is missing");
        let alone = missing == format!("{place}.");
        let without_route = WITHOUT_ROUTE.contains(&operation.as_str()) && missing.starts_with(place);
        assert!(alone || without_route, "{found:?}");
    }
}

#[test]
fn a_function_that_the_template_lacks_is_missed() {
    misses_every_operation_of(TEMPLATE);
}

#[test]
fn a_missing_source_file_is_missed() {
    misses_every_operation_of(FUNCTIONS);
}

#[test]
fn a_missing_binary_is_missed() {
    misses_every_operation_of(BINARIES);
}

#[test]
fn a_missing_event_is_missed() {
    misses_every_operation_of(EVENTS);
}

#[test]
fn a_missing_test_is_missed() {
    misses_every_operation_of(TESTS);
}

#[test]
fn an_operation_that_openapi_lacks_is_missed() {
    misses_every_operation_of(OPENAPI);
}

#[test]
fn a_function_that_the_router_lacks_is_missed() {
    misses_every_operation_of(ROUTER);
}

#[test]
fn an_operation_too_many_is_found_wherever_it_is() {
    for place in [TEMPLATE, FUNCTIONS, BINARIES, EVENTS, OPENAPI, ROUTER] {
        let found = found_after(place, |operations| {
            operations.insert("play-movie".to_owned(), BTreeSet::from(["GET /api/play".to_owned()]));
        });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("play-movie is in: {place}. It is not in: ")), "{found:?}");
    }
}

#[test]
fn a_route_that_differs_is_found_wherever_it_is() {
    for place in [EVENTS, OPENAPI, ROUTER] {
        for other in [
            &["PATCH /api/movies/{id}"][..],
            &["PUT /api/movies/{movie}"],
            &["PUT /api/movies/{id}", "GET /"],
        ] {
            let found = found_after(place, |operations| {
                operations.insert("update-movie".to_owned(), other.iter().map(ToString::to_string).collect());
            });
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].contains(&format!("in {place}, but {{\"PUT /api/movies/{{id}}\"}}")),
                "{found:?}"
            );
        }
    }
    // The template is what the others are held against, so each of them is told.
    let found = found_after(TEMPLATE, |operations| {
        operations.insert("update-movie".to_owned(), BTreeSet::from(["PATCH /".to_owned()]));
    });
    assert_eq!(found.len(), 3, "{found:?}");
}

/// A function that nobody calls over HTTP, such as one that a table's stream wakes, has no business in the router.
#[test]
fn an_operation_without_a_route_needs_none() {
    let mut places = PLACES.clone();
    for place in places.iter_mut().filter(|place| place.says != Says::RoutesAlone) {
        place.operations.insert("tidy-up".to_owned(), BTreeSet::new());
    }
    assert_eq!(disagreements(&places).len(), disagreements(&PLACES).len());
}
