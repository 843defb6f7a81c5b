//! Faults that pass: the operation tries again and succeeds.

use futures_util::future::join_all;
use local::fault_proxy::Fault;

use super::{PATHS, Path, Stage};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn any_request_that_fails_once_is_sent_again_and_the_operation_succeeds() {
    join_all(PATHS.map(fails_once)).await;
}

async fn fails_once(path: Path) {
    let stage = Stage::new(path).await;
    let name = stage.name();
    let mut number = 0;
    for index in path.places() {
        let request = path.requests()[index];
        for fault in faults(path, request) {
            number += 1;
            let case = stage.case(number).await;
            let before = stage.bag.contents();
            stage.bag.proxy.clear_calls();
            stage.inject(fault.clone(), index, 1);
            let response = stage.send(&case).await;

            let what = format!("{name}, {fault:?} at request {index}");
            assert_eq!(response.status, path.success(), "{what}: {}", response.body);
            assert_eq!(stage.requests(), stage.expected_requests(Some(index)), "{what}");
            assert_eq!(stage.bag.contents() != before, path.writes(), "{what}");
            assert!(stage.took_effect(&case).await, "{what}");
            assert_consistent(&stage.bag);
        }
    }
}

/// Every fault that a request may meet and that passes.
fn faults(path: Path, request: &str) -> Vec<Fault> {
    let mut faults = vec![Fault::Throttle, Fault::ServerError, Fault::Unavailable503];
    if request == "UpdateItem" {
        faults.push(Fault::TransactionConflict { position: 0 });
    }
    if request == "TransactWriteItems" {
        for position in 0..path.transaction_items() {
            faults.push(Fault::TransactionConflict { position });
            let mut reasons = vec!["None"; path.transaction_items()];
            reasons[position] = "ThrottlingError";
            faults.push(Fault::CancellationReasons(reasons.clone()));
            reasons[position] = "ProvisionedThroughputExceeded";
            faults.push(Fault::CancellationReasons(reasons));
        }
        faults.push(Fault::CancellationReasons(vec!["TransactionConflict"; path.transaction_items()]));
    }
    faults
}

#[tokio::test]
async fn operations_make_only_the_requests_they_need() {
    let stages = PATHS.map(|path| async move {
        let stage = Stage::new(path).await;
        let case = stage.case(1).await;
        stage.bag.proxy.clear_calls();
        assert_eq!(stage.send(&case).await.status, path.success(), "{}", stage.name());
        assert_eq!(stage.requests(), stage.expected_requests(None), "{}", stage.name());
        assert!(stage.took_effect(&case).await, "{}", stage.name());
        assert_consistent(&stage.bag);
    });
    join_all(stages).await;
}
