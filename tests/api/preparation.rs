//! The connection to DynamoDB that a function prepares while it starts.

use local::{
    fault_proxy::{Fault, HEALTH_CHECK, Rule},
    runtime_api::{Function, FunctionOptions},
};

use crate::test_app::{TestApp, get};

#[tokio::test]
async fn the_first_request_uses_the_prepared_connection() {
    let app = TestApp::start().await;
    for function in app.template.functions() {
        let operation = function.operation.as_str();
        app.function(operation).await.ready().await.expect("the function starts");
        // A function without a table has nothing to connect to.
        let has_table = function.environment.keys().any(|name| name.ends_with("_TABLE"));
        let checks = app.proxy.health_checks_of(operation);
        assert_eq!(checks.len(), usize::from(has_table), "{operation}");
        assert!(app.proxy.calls_of(operation).is_empty(), "{operation} makes a request at its start");
    }
    for _ in 0..2 {
        assert_eq!(app.send(get("/api/movies")).await.status, 200);
    }
    let prepared = app.proxy.health_checks_of("list-movies")[0].connection;
    let used: Vec<u64> = app.proxy.calls_of("list-movies").iter().map(|call| call.connection).collect();
    assert_eq!(used, [prepared, prepared]);
}

/// Another server may not have the failure.
#[tokio::test]
async fn a_request_that_failed_is_repeated_over_a_new_connection() {
    let app = TestApp::start().await;
    app.proxy.inject(Rule::once(Fault::ServerError).from("list-movies"));
    for _ in 0..2 {
        assert_eq!(app.send(get("/api/movies")).await.status, 200);
    }
    let used: Vec<u64> = app.proxy.calls_of("list-movies").iter().map(|call| call.connection).collect();
    let [failed, repeated, next] = used[..] else { panic!("three requests expected, not {used:?}") };
    assert!(failed != repeated && repeated == next, "{used:?}");
}

#[tokio::test]
async fn functions_start_with_a_stalled_or_failing_database() {
    for fault in [Fault::Stall, Fault::Unavailable503, Fault::LoseResponse, Fault::ServerError] {
        let app = TestApp::start().await;
        app.proxy.inject(Rule::always(fault).on(HEALTH_CHECK));
        app.function("list-movies").await.ready().await.expect("the function starts");
        assert_eq!(app.proxy.health_checks_of("list-movies").len(), 1);
        assert_eq!(app.send(get("/api/movies")).await.status, 200);
    }
}

#[tokio::test]
async fn functions_start_with_an_unreachable_database() {
    let app = TestApp::start().await;
    let usual = app.options("list-movies");
    for endpoint in ["http://127.0.0.1:1", "https://127.0.0.1:1", "https://nowhere.invalid", "no address"] {
        let given = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), endpoint.to_owned());
        let environment = usual.environment.iter().filter(|(name, _)| *name != given.0).cloned();
        let environment = environment.chain([given.clone()]).collect();
        let options = FunctionOptions { environment, ..usual.clone() };
        let function = Function::start(options).await.expect("the process starts");
        assert_eq!(function.ready().await, Ok(()), "{endpoint}");
    }
}
