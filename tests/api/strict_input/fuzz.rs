//! Random requests and events: no response is a 5xx, and no process ends.

use local::gateway::{Gateway, HttpRequest};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

use super::{
    StrictInputTest,
    hostile_events::{changed, without},
};
use crate::{operations, test_app::segment};

const CASES: u32 = 250;

/// Generates the index of an operation that has a route.
fn operation() -> impl Strategy<Value = usize> {
    0..operations::with_route().count()
}

/// Runs a property with its own system. Failures are not saved in a file: the message shows the smallest one.
fn run<S: Strategy>(
    strategy: &S,
    property: impl Fn(&Runtime, &StrictInputTest, S::Value) -> Result<(), TestCaseError>,
) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let test = runtime.block_on(StrictInputTest::start());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let tested = TestRunner::new(config).run(strategy, |value| property(&runtime, &test, value));
    if let Err(failure) = tested {
        panic!("{failure}");
    }
}

/// Generates any JSON, often with the field names of this API.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((field_name(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn field_name() -> impl Strategy<Value = String> {
    let known = ["name", "casts", "genres", "email", "password", "id", "added_by", "headers", "http", ""];
    prop_oneof![3 => select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => json_value().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..200),
        1 => "[\\[\\]{}\",:0-9eE.+\\\\-]{0,60}".prop_map(String::into_bytes),
    ]
}

fn header() -> impl Strategy<Value = (String, String)> {
    let names = [
        "content-type",
        "authorization",
        "host",
        "x-forwarded-proto",
        "x-forwarded-for",
        "cookie",
        "accept",
        "content-length",
        "x-amzn-trace-id",
        "user-agent",
    ];
    let values = prop_oneof![
        2 => ".{0,30}",
        1 => select(&["application/json", "https,http", "Bearer ", "Bearer a.b.c", "0", "chunked"][..]).prop_map(str::to_owned),
    ];
    (prop_oneof![3 => select(names.to_vec()).prop_map(str::to_owned), 1 => "[a-z][a-z-]{0,9}"], values)
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[a-z%=&+;0-9<>\"^|{} #?-]{0,40}",
        "(limit|cursor|%6cimit|x)=[0-9A-Za-z_%-]{0,12}(&(limit|cursor)=[0-9]{0,4}){0,2}",
        (".{1,200}", "(&added_by=019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f)?")
            .prop_map(|(prefix, user)| format!("name_prefix={}{user}", segment(&prefix))),
    ]
}

#[test]
fn no_request_gets_a_5xx_response() {
    let request = (operation(), ".{1,40}", query(), vec(header(), 0..6), body(), any::<[bool; 4]>());
    run(&request, |runtime, test, (operation, id, query, headers, body, [json, token, base64, real_id])| {
        let repeatable = &test.repeatable_requests()[operation];
        let (method, path) =
            repeatable.event["routeKey"].as_str().and_then(|key| key.split_once(' ')).expect("a route");
        let owner = &test.owners[repeatable.operation.as_str()];
        let id = if real_id { owner.movie_id.clone() } else { segment(&id) };
        let mut request = HttpRequest::new(method, &path.replace("{id}", &id).replace("{file}", &id))
            .query(query)
            .body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if json {
            request = request.header("content-type", "application/json");
        }
        if token {
            // Each operation has its own user, so one that ends a session ends no other operation's.
            request = request.bearer(&owner.user.token);
        }
        if base64 {
            request = request.base64();
        }
        let (operation, event) = Gateway::new(&test.app.template).event(&request).expect("a route");
        let survived = runtime.block_on(test.survive(&operation, event.to_string().into(), true));
        survived.map_err(TestCaseError::fail)
    });
}

#[test]
fn no_event_ends_a_process() {
    let places = [
        "/version",
        "/routeKey",
        "/rawPath",
        "/rawQueryString",
        "/cookies",
        "/headers",
        "/headers/host",
        "/headers/content-type",
        "/headers/authorization",
        "/headers/x-forwarded-proto",
        "/queryStringParameters",
        "/pathParameters",
        "/pathParameters/id",
        "/pathParameters/file",
        "/stageVariables",
        "/body",
        "/isBase64Encoded",
        "/requestContext",
        "/requestContext/http",
        "/requestContext/http/method",
        "/requestContext/http/path",
        "/requestContext/http/sourceIp",
        "/requestContext/authorizer",
        "/requestContext/requestId",
        "/requestContext/routeKey",
        "/requestContext/stage",
        "/requestContext/timeEpoch",
        "/requestContext/domainName",
    ];
    let change = (select(places.to_vec()), proptest::option::of(json_value()));
    let events = (operation(), vec(change, 1..5), any::<Option<prop::sample::Index>>());
    run(&events, |runtime, test, (operation, changes, end)| {
        let repeatable = &test.repeatable_requests()[operation];
        let event = changes.into_iter().fold(repeatable.event.clone(), |event, (place, value)| match value {
            Some(value) => changed(&event, &[(place, value)]),
            None => without(&event, place),
        });
        let mut bytes = event.to_string().into_bytes();
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        let survived = runtime.block_on(test.survive(&repeatable.operation, bytes, false));
        survived.map_err(TestCaseError::fail)
    });
}

#[test]
fn no_json_at_all_ends_a_process() {
    run(&(operation(), json_value()), |runtime, test, (operation, event)| {
        let operation = &test.repeatable_requests()[operation].operation;
        let wrapped = json!({"version": "2.0", "headers": event, "requestContext": event, "body": event});
        for event in [event, wrapped] {
            let survived = runtime.block_on(test.survive(operation, event.to_string().into(), false));
            survived.map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
}
