//! Checks responses against `openapi.yaml`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::Validator;
use local::{gateway::HttpResponse, yaml};
use serde_json::{Value, json};

use crate::expect::decompressed;

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
    let headers = promised["headers"].as_object().expect("headers");
    for (name, header) in headers {
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
        let known = headers.contains_key(name) || name == "content-type";
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
