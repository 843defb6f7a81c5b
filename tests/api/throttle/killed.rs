//! The process is killed between two requests of an attempt: at most one failure too many is counted, and the strict
//! counter never has one too few.

use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use local::fault_proxy::{Fault, Gate, Rule};

use super::{
    OWNER, ThrottleTest,
    faults::{at_most_one_too_many, cases, requests, start_over, test},
};
use crate::{consistency::assert_consistent, test_app::PASSWORD};

#[tokio::test]
async fn a_killed_process_counts_at_most_one_failure() {
    join_all(cases().map(|(endpoint, right)| async move {
        let mut test = test(endpoint).await;
        for (operation, index) in requests(endpoint, right) {
            start_over(&test).await;
            kill_at(&mut test, right, operation, index).await;
            let name = format!("{endpoint:?}, right: {right}, killed before {operation} {index}");
            at_most_one_too_many(&test, right, &name);
            test.succeed(OWNER).await;
            assert_eq!(test.strict_failures(), 0, "{name}");
        }
        assert_consistent(&test.app);
    }))
    .await;
}

/// Sends an attempt, and kills the function while this request is in flight.
async fn kill_at(test: &mut ThrottleTest, right: bool, operation: &str, index: usize) {
    let gate = Gate::new();
    let caller = test.endpoint.operation();
    test.app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(caller).on(operation).after(index));
    {
        let password = if right { PASSWORD } else { "a wrong password" };
        let sending = pin!(test.app.send(test.attempt(password, OWNER)));
        if let Either::Left((response, _)) = select(sending, pin!(gate.reached())).await {
            panic!("{caller} responded before it was killed: {}", response.body);
        }
    }
    test.app.kill(caller).await;
    test.app.proxy.clear_rules();
}
