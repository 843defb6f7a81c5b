//! The response of a successful write is lost, and the SDK repeats the request.

use futures_util::future::join_all;
use local::fault_proxy::Fault;
use serde_json::Value;

use super::{FaultTest, Scenario, scenarios};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn a_write_with_a_lost_response_is_repeated_and_succeeds() {
    join_all(scenarios().into_iter().filter(|scenario| scenario.writes()).map(loses_the_answer)).await;
}

async fn loses_the_answer(scenario: Scenario) {
    let test = FaultTest::new(scenario).await;
    let name = test.name();
    let case = test.case(1).await;
    test.app.proxy.clear_calls();
    let before = test.app.table_contents();
    let write = scenario.requests().len() - 1;
    test.inject(Fault::LoseResponse, write, 1);
    let response = test.send(&case).await;

    assert_eq!(response.status, scenario.success(), "{name}: {}", response.body);
    let calls = test.app.proxy.calls_of(scenario.operation());
    let (first, second) = (&calls[write], &calls[write + 1]);
    assert_eq!(first.operation, scenario.requests()[write], "{name}");
    assert_eq!(first.body, second.body, "{name} sent another request the second time");
    assert_eq!(first.status, 200, "{name}: the first write succeeded");
    if first.operation == "TransactWriteItems" {
        let token = &first.body["ClientRequestToken"];
        assert!(token.as_str().is_some_and(|token| !token.is_empty()), "{name} has no token: {token}");
        assert_eq!(second.status, 200, "{name} met itself");
        assert_eq!(calls.len(), write + 2, "{name}");
    }
    let added = test.app.table_contents().len().cast_signed() - before.len().cast_signed();
    let expected = match scenario {
        Scenario::Signup | Scenario::CreateMovie => 2,
        Scenario::DeleteMovie => -2,
        // The mail; a reset also uses up the token.
        Scenario::ChangePassword | Scenario::ForgotPassword | Scenario::DeleteAccount => 1,
        _ => 0,
    };
    assert_eq!(added, expected, "{name}");
    assert!(test.took_effect(&case).await, "{name}");
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_second_request_of_a_client_is_not_a_retry() {
    let refusals = [(Scenario::Signup, 409), (Scenario::CreateMovie, 409), (Scenario::DeleteMovie, 404)];
    let twice = refusals.map(|(scenario, status)| async move {
        let test = FaultTest::new(scenario).await;
        let case = test.case(1).await;
        assert_eq!(test.send(&case).await.status, 200, "{}", test.name());
        let before = test.app.table_contents();
        let response = test.send(&case).await;
        assert_eq!(response.status, status, "{}: {}", test.name(), response.body);
        assert_eq!(test.app.table_contents(), before, "{}", test.name());
        let tokens: Vec<Value> = test
            .app
            .proxy
            .calls_of(scenario.operation())
            .into_iter()
            .filter(|call| call.operation == "TransactWriteItems")
            .map(|call| call.body["ClientRequestToken"].clone())
            .collect();
        assert!(tokens.len() < 2 || tokens[0] != tokens[1], "{tokens:?}");
    });
    join_all(twice).await;
}
