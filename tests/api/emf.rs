//! The metrics that functions emit: log lines that are documents of the embedded metric format.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
    time::Duration,
};

use jsonschema::Validator;
use local::{
    gateway::{HttpRequest, HttpResponse},
    runtime_api::Function,
};
use serde_json::Value;

use crate::test_app::TestApp;

/// Makes the functions log as they do on Lambda.
pub const JSON: (&str, &str) = ("AWS_LAMBDA_LOG_FORMAT", "JSON");

/// A value as CloudWatch reads it from a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    pub namespace: String,
    pub name: String,
    /// The values of the dimensions by name.
    pub dimensions: BTreeMap<String, String>,
    pub unit: String,
    pub value: f64,
}

/// Returns all documents with metrics that the functions of a system have emitted so far. Panics unless each follows
/// the specification.
pub fn documents(app: &TestApp) -> Vec<Value> {
    app.logs().iter().filter_map(|line| document(line)).collect()
}

/// Returns all values that CloudWatch reads from these documents.
pub fn measurements(documents: &[Value]) -> Vec<Measurement> {
    documents.iter().flat_map(measurements_of).collect()
}

/// Returns the document in a line, if it has metrics. Panics unless it follows the specification.
pub fn document(line: &str) -> Option<Value> {
    let document: Value = serde_json::from_str(line).ok()?;
    document.get("_aws")?;
    let problems: Vec<String> = schema().iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(
        problems.is_empty(),
        "this does not follow the embedded metric format: {problems:?} in {document:#}"
    );
    assert!(!measurements_of(&document).is_empty(), "no metric in {document:#}");
    Some(document)
}

/// Returns the values of one document: every metric with every set of dimensions.
pub fn measurements_of(document: &Value) -> Vec<Measurement> {
    let mut found = Vec::new();
    for directive in list(&document["_aws"]["CloudWatchMetrics"]) {
        for metric in list(&directive["Metrics"]) {
            for set in list(&directive["Dimensions"]) {
                let name = text(&metric["Name"]);
                let value = document[&name].as_f64();
                let dimensions = list(set).iter().map(text).map(|name| {
                    let value = text(&document[&name]);
                    assert!((1..=1024).contains(&value.len()), "{name} is {value:?}");
                    (name, value)
                });
                found.push(Measurement {
                    namespace: text(&directive["Namespace"]),
                    dimensions: dimensions.collect(),
                    unit: text(&metric["Unit"]),
                    value: value.unwrap_or_else(|| panic!("{name} has no value: {document:#}")),
                    name,
                });
            }
        }
    }
    let names: BTreeSet<&str> = found.iter().map(|measurement| measurement.name.as_str()).collect();
    assert_eq!(names.len(), found.len(), "a metric is named twice: {document:#}");
    found
}

/// Returns the values of one line by name; none if it has no metrics.
pub fn values(line: &Value) -> BTreeMap<String, f64> {
    measurements_of(line).into_iter().map(|measurement| (measurement.name, measurement.value)).collect()
}

/// Sends a request, and returns the response with its completion line.
pub async fn send(app: &TestApp, request: &HttpRequest) -> (HttpResponse, Value) {
    let (operation, event) = app.event(request);
    let response = app.send_event(&operation, &event).await;
    let id = event["requestContext"]["requestId"].as_str().expect("an id");
    let line = app.wait_for_log_with(&[id, "request completed"]).await;
    document(&line);
    (response, serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

/// Waits for the first document of a function outside a [`TestApp`].
pub async fn first_document(function: &Function) -> Value {
    let found = async {
        loop {
            if let Some(document) = function.logs().iter().find_map(|line| document(line)) {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), found).await;
    waited.unwrap_or_else(|_| panic!("no document: {:#?}", function.logs()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

fn schema() -> &'static Validator {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = include_str!("emf/embedded_metric_format.schema.json");
        Validator::new(&serde_json::from_str(text).expect("JSON")).expect("a schema")
    })
}
