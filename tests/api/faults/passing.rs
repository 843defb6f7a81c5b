//! Transient faults: the operation retries and succeeds.

use futures_util::future::join_all;
use local::fault_proxy::Fault;

use super::{FaultTest, Scenario, scenarios};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn a_request_that_fails_once_is_retried_with_success() {
    join_all(scenarios().into_iter().map(fails_once)).await;
}

async fn fails_once(scenario: Scenario) {
    let test = FaultTest::new(scenario).await;
    let name = test.name();
    let mut number = 0;
    for index in scenario.places() {
        let request = scenario.requests()[index];
        for fault in faults(scenario, request) {
            number += 1;
            let case = test.case(number).await;
            let before = test.app.table_contents();
            test.app.proxy.clear_calls();
            test.inject(fault.clone(), index, 1);
            let response = test.send(&case).await;

            let what = format!("{name}, {fault:?} at request {index}");
            assert_eq!(response.status, scenario.success(), "{what}: {}", response.body);
            assert_eq!(test.requests(), test.expected_requests(Some(index)), "{what}");
            assert_eq!(test.app.table_contents() != before, scenario.writes(), "{what}");
            assert!(test.took_effect(&case).await, "{what}");
            assert_consistent(&test.app);
        }
    }
}

/// Returns every transient fault that a request may meet.
fn faults(scenario: Scenario, request: &str) -> Vec<Fault> {
    let mut faults = vec![Fault::Throttle, Fault::ServerError, Fault::Unavailable503];
    if request == "BatchGetItem" {
        faults.push(Fault::Unprocessed);
    }
    if ["PutItem", "UpdateItem", "DeleteItem"].contains(&request) {
        faults.push(Fault::TransactionConflict { position: 0 });
    }
    if request == "TransactWriteItems" {
        for position in 0..scenario.transaction_items() {
            faults.push(Fault::TransactionConflict { position });
            let mut reasons = vec!["None"; scenario.transaction_items()];
            reasons[position] = "ThrottlingError";
            faults.push(Fault::CancellationReasons(reasons.clone()));
            reasons[position] = "ProvisionedThroughputExceeded";
            faults.push(Fault::CancellationReasons(reasons));
        }
        faults.push(Fault::CancellationReasons(vec!["TransactionConflict"; scenario.transaction_items()]));
    }
    faults
}

#[tokio::test]
async fn operations_make_only_the_requests_they_need() {
    let tests = scenarios().into_iter().map(|scenario| async move {
        let test = FaultTest::new(scenario).await;
        let case = test.case(1).await;
        test.app.proxy.clear_calls();
        assert_eq!(test.send(&case).await.status, scenario.success(), "{}", test.name());
        assert_eq!(test.requests(), test.expected_requests(None), "{}", test.name());
        assert!(test.took_effect(&case).await, "{}", test.name());
        assert_consistent(&test.app);
    });
    join_all(tests).await;
}
