//! The connection to the database that a function prepares while it starts.

use local::{
    fault_proxy::{Fault, HEALTH_CHECK, Rule},
    runtime_api::{Function, FunctionOptions},
};

use crate::bag::{Bag, get};

#[tokio::test]
async fn the_first_request_goes_over_the_connection_that_was_prepared() {
    let bag = Bag::start().await;
    for function in bag.template.functions() {
        let operation = function.operation.as_str();
        bag.function(operation).await.ready().await.expect("the function starts");
        let checks = bag.proxy.health_checks_of(operation);
        assert_eq!(checks.len(), 1, "{operation}");
        assert!(bag.proxy.calls_of(operation).is_empty(), "{operation} asks for something at its start");
    }
    for _ in 0..2 {
        assert_eq!(bag.send(get("/api/movies")).await.status, 200);
    }
    let prepared = bag.proxy.health_checks_of("list-movies")[0].connection;
    let used: Vec<u64> = bag.proxy.calls_of("list-movies").iter().map(|call| call.connection).collect();
    assert_eq!(used, [prepared, prepared]);
}

#[tokio::test]
async fn a_database_that_is_not_well_keeps_no_function_from_starting() {
    for fault in [Fault::Stall, Fault::Unavailable503, Fault::LoseResponse, Fault::ServerError] {
        let bag = Bag::start().await;
        bag.proxy.inject(Rule::always(fault).on(HEALTH_CHECK));
        bag.function("list-movies").await.ready().await.expect("the function starts");
        assert_eq!(bag.proxy.health_checks_of("list-movies").len(), 1);
        assert_eq!(bag.send(get("/api/movies")).await.status, 200);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_keeps_no_function_from_starting() {
    let bag = Bag::start().await;
    let usual = bag.options("list-movies");
    for endpoint in ["http://127.0.0.1:1", "https://127.0.0.1:1", "https://nowhere.invalid", "no address"] {
        let given = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), endpoint.to_owned());
        let environment = usual.environment.iter().filter(|(name, _)| *name != given.0).cloned();
        let environment = environment.chain([given.clone()]).collect();
        let options = FunctionOptions { environment, ..usual.clone() };
        let function = Function::start(options).await.expect("the process starts");
        assert_eq!(function.ready().await, Ok(()), "{endpoint}");
    }
}
