//! Checks responses against `openapi.yaml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::Validator;
use local::{gateway::HttpResponse, yaml};
use serde_json::{Value, json};

use crate::expect::decompressed;

/// The headers of every response for which `openapi.yaml` describes no other value. Its introduction names them.
const COMMON_HEADERS: [(&str, &str); 2] =
    [("x-content-type-options", "nosniff"), ("cache-control", "no-store")];

/// Returns `openapi.yaml`.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| yaml::read("openapi.yaml".as_ref()).expect("openapi.yaml is readable"))
}

/// Returns the method, the path and the operation object of every operation.
pub fn operations() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    let paths = document()["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").iter().filter(|(name, _)| *name != "parameters");
        methods.map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    })
}

/// Returns whether the schema of this name allows a value.
pub fn allows(schema: &str, value: &Value) -> bool {
    validator(&document()["components"]["schemas"][schema]).is_valid(value)
}

/// Panics unless the document allows this response of this operation, with its status, headers and decompressed body.
pub fn check(operation: &str, response: &HttpResponse) {
    let response = &decompressed(response);
    let (_, _, definition) = operations()
        .find(|(_, _, definition)| definition["operationId"] == operation)
        .unwrap_or_else(|| panic!("openapi.yaml has no operation {operation}"));
    let promised = &definition["responses"][response.status.to_string()];
    assert!(
        promised.is_object(),
        "openapi.yaml has no {} for {operation}: {}",
        response.status,
        response.body
    );
    let promised = resolve(promised);
    check_headers(operation, promised, response);
    if promised["content"].is_null() {
        assert_eq!((response.body.as_str(), response.header("content-type")), ("", None), "{operation}");
        return;
    }
    let content_type = response.header("content-type").expect("a content-type");
    let schema = &promised["content"][content_type]["schema"];
    assert!(schema.is_object(), "openapi.yaml has no {content_type} for {operation} {}", response.status);
    check_value(operation, schema, &response.json());
}

fn check_headers(operation: &str, promised: &'static Value, response: &HttpResponse) {
    let headers = &promised["headers"];
    for (name, value) in COMMON_HEADERS.into_iter().filter(|(name, _)| headers[name].is_null()) {
        assert_eq!(response.header(name), Some(value), "{name} of {operation} {}", response.status);
    }
    for (name, header) in headers.as_object().into_iter().flatten() {
        let header = resolve(header);
        match response.header(name) {
            Some(text) if header["schema"]["type"] == "integer" => {
                check_value(operation, &header["schema"], &json!(text.parse::<i64>().expect("a number")));
            }
            Some(text) => check_value(operation, &header["schema"], &json!(text)),
            None => assert_ne!(header["required"], true, "{operation} {} lacks {name}", response.status),
        }
    }
    for name in response.headers.keys() {
        let common = COMMON_HEADERS.iter().any(|(common, _)| name == common);
        let known = common || name == "content-type" || headers[name.as_str()].is_object();
        assert!(known, "{operation} {} has the undocumented header {name}", response.status);
    }
}

fn check_value(operation: &str, schema: &'static Value, value: &Value) {
    let validator = validator(schema);
    let problems: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{operation} breaks openapi.yaml: {problems:?} in {value:#}");
}

/// Returns the validator of a schema, which is created once, because that takes longer than most requests.
fn validator(schema: &'static Value) -> Arc<Validator> {
    static VALIDATORS: Mutex<BTreeMap<usize, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    // The document is never moved, so an address in memory identifies a schema.
    let place = std::ptr::from_ref(schema).addr();
    let validator = validators.entry(place).or_insert_with(|| {
        let mut schema = schema.clone();
        schema["components"] = document()["components"].clone();
        Arc::new(Validator::new(&schema).expect("a schema"))
    });
    Arc::clone(validator)
}

/// Follows a reference within the document.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            resolve(document().pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => value,
    }
}

/// The schemas of errors must not become so lenient that [`check`] accepts a wrong response.
#[test]
fn an_error_has_exactly_its_status_code_and_members() {
    let responses =
        operations().flat_map(|(_, _, operation)| operation["responses"].as_object().expect("responses"));
    let mut errors = BTreeSet::new();
    for (status, response) in responses {
        let problem = &resolve(response)["content"]["application/problem+json"];
        for example in problem["examples"].as_object().into_iter().flat_map(serde_json::Map::values) {
            let example = &resolve(example)["value"];
            let validator = validator(&problem["schema"]);
            let is_valid = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
                let mut changed = example.clone();
                change(changed.as_object_mut().expect("an object"));
                validator.is_valid(&changed)
            };
            assert!(is_valid(&|_| ()) && example["status"].to_string().as_str() == status, "{example:#}");
            for member in example.as_object().expect("an object").keys() {
                assert!(
                    !is_valid(&|error| drop(error.remove(member))),
                    "valid without {member}: {example:#}"
                );
            }
            for (member, value) in [
                ("status", json!(418)),
                ("code", json!("unknown")),
                ("instance", json!("/api/movies")),
                ("errors", json!([{"field": "name", "message": "is required"}])),
                ("movie_id", json!("019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7")),
            ] {
                let belongs = matches!(
                    (member, example["code"].as_str()),
                    ("errors", Some("validation_failed")) | ("movie_id", Some("movie_name_taken"))
                );
                let accepted = is_valid(&|error| drop(error.insert(member.to_owned(), value.clone())));
                assert_eq!(accepted, belongs, "{member} is {value}: {example:#}");
            }
            errors.insert((status, example["code"].as_str()));
        }
    }
    assert!(errors.len() > 20, "examples of errors: {errors:?}");
}
