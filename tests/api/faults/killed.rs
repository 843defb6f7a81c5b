//! The process is killed between two requests: the tables are as before or as after the operation, and a repeated
//! request succeeds.

use std::pin::pin;

use futures_util::future::{Either, join_all, select};
use local::fault_proxy::{Fault, Gate};

use super::{Case, FaultTest, Scenario, scenarios};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn a_process_killed_before_a_request_changes_nothing() {
    join_all(scenarios().into_iter().filter(|scenario| scenario.writes()).map(|scenario| async move {
        let mut test = FaultTest::new(scenario).await;
        for index in scenario.places() {
            let case = test.case(index).await;
            let before = test.app.table_contents();
            kill_at(&mut test, &case, index).await;

            let name = format!("{} killed before request {index}", test.name());
            assert_eq!(test.app.table_contents(), before, "{name}");
            let response = test.send(&case).await;
            assert_eq!(response.status, scenario.success(), "{name}: {}", response.body);
            assert!(test.took_effect(&case).await, "{name}");
            assert_consistent(&test.app);
        }
    }))
    .await;
}

#[tokio::test]
async fn a_process_killed_after_its_write_leaves_the_new_state() {
    join_all(scenarios().into_iter().filter(|scenario| scenario.writes()).map(|scenario| async move {
        let mut test = FaultTest::new(scenario).await;
        let case = test.case(1).await;
        let before = test.app.table_contents();
        // The write succeeds, but its response is lost. The process is killed when it retries.
        let write = scenario.requests().len() - 1;
        test.inject(Fault::LoseResponse, write, 1);
        kill_at(&mut test, &case, write).await;

        let name = format!("{} killed after its write", test.name());
        let after = test.app.table_contents();
        assert_ne!(after, before, "{name}");
        assert!(test.took_effect(&case).await, "{name}");
        assert_consistent(&test.app);
        let response = test.send(&case).await;
        let expected = match scenario {
            Scenario::Signup | Scenario::CreateMovie => 409,
            Scenario::DeleteMovie => 404,
            // The first request has ended the session.
            Scenario::ChangePassword
            | Scenario::ChangePasswordQuietly
            | Scenario::Logout
            | Scenario::DeleteAccount => 401,
            // The first request has used up the token.
            Scenario::ResetPassword => 403,
            _ => scenario.success(),
        };
        assert_eq!(response.status, expected, "{name}: {}", response.body);
        let added = test.app.table_contents().len() - after.len();
        // A client that asks again may get a second mail.
        assert_eq!(added, usize::from(scenario == Scenario::ForgotPassword), "{name}");
        assert_consistent(&test.app);
    }))
    .await;
}

/// Sends the request of a case, and kills the function while the request to DynamoDB with this index, not counting
/// those with another fault, is in flight.
async fn kill_at(test: &mut FaultTest, case: &Case, index: usize) {
    let operation = test.scenario.operation();
    let gate = Gate::new();
    test.inject(Fault::Hold(gate.clone()), index, 1);
    {
        let sending = pin!(test.send(case));
        let reached = pin!(gate.reached());
        if let Either::Left((response, _)) = select(sending, reached).await {
            panic!("{} responded before it was killed: {}", test.name(), response.body);
        }
    }
    test.app.kill(operation).await;
    test.app.proxy.clear_rules();
}
