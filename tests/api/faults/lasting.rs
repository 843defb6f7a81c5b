//! Lasting faults: the operation gives up in time, and nothing has changed unless a response was lost first.

use futures_util::future::{join, join_all};
use local::fault_proxy::Fault;

use super::{Case, FaultTest, Scenario, assert_problem, scenarios, until};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn lasting_throttling_is_503() {
    lasts(|_| true, || Fault::Throttle).await;
}

/// A transaction of another user conflicts over the claim: the email at a signup, the name of a movie otherwise.
#[tokio::test]
async fn lasting_conflicts_with_others_are_503_and_never_409() {
    let scenarios = [Scenario::Signup, Scenario::CreateMovie, Scenario::RenameMovie, Scenario::DeleteMovie];
    let ends = scenarios.map(|scenario| async move {
        let (test, case) = prepared(scenario).await;
        test.inject(Fault::TransactionConflict { position: 1 }, scenario.requests().len() - 1, usize::MAX);
        ends_in_503(&test, &case).await;
    });
    join_all(ends).await;
}

/// Other requests of the same user conflict over the user or the movie, which only that user writes.
#[tokio::test]
async fn lasting_conflicts_with_oneself_are_429() {
    let scenarios = [
        (Scenario::CreateMovie, 2),
        (Scenario::RenameMovie, 0),
        (Scenario::RespellMovie, 0),
        (Scenario::UpdateDetails, 0),
        (Scenario::DeleteMovie, 0),
        (Scenario::DeleteMovie, 2),
        (Scenario::ChangePassword, 0),
        (Scenario::ChangePasswordQuietly, 0),
        (Scenario::ResetPassword, 0),
        (Scenario::Logout, 0),
        (Scenario::DeleteAccount, 0),
    ];
    let ends = scenarios.map(|(scenario, position)| async move {
        let (test, case) = prepared(scenario).await;
        test.inject(Fault::TransactionConflict { position }, scenario.requests().len() - 1, usize::MAX);
        let requests = ends_in(&test, &case, 429, "too_many_concurrent_writes").await;
        assert!(requests > scenario.requests().len(), "{} gave up at once", test.name());
    });
    join_all(ends).await;
}

/// Details are not written in a transaction, so if a write was carried out and its response lost, its retries can conflict.
#[tokio::test]
async fn a_429_can_follow_a_write_that_was_carried_out() {
    let (test, case) = prepared(Scenario::UpdateDetails).await;
    let last = Scenario::UpdateDetails.requests().len() - 1;
    test.inject(Fault::LoseResponse, last, 1);
    test.inject(Fault::TransactionConflict { position: 0 }, last, usize::MAX);
    assert_problem(&test.send(&case).await, 429, "too_many_concurrent_writes");
    assert!(test.took_effect(&case).await);
}

/// A password reset clears the counter of failed logins in a transaction, which can conflict with the writes of a login.
#[tokio::test]
async fn lasting_conflicts_of_a_login_with_resets_are_503() {
    let requests = Scenario::Login.requests();
    let writes =
        requests.iter().enumerate().filter(|(_, request)| ["PutItem", "DeleteItem"].contains(request));
    let ends = writes.map(|(index, _)| async move {
        let (test, case) = prepared(Scenario::Login).await;
        test.inject(Fault::TransactionConflict { position: 0 }, index, usize::MAX);
        ends_in_503(&test, &case).await;
    });
    assert_eq!(join_all(ends).await.len(), 2);
}

#[tokio::test]
async fn lasting_server_errors_are_503() {
    lasts(|_| true, || Fault::ServerError).await;
}

#[tokio::test]
async fn a_service_that_stays_unavailable_is_503() {
    lasts(|request| request != "GetItem", || Fault::Unavailable503).await;
}

#[tokio::test]
async fn a_hanging_request_is_503_before_the_time_limit() {
    lasts(|_| true, || Fault::Stall).await;
}

/// Covers only reads: the database carries out a write even if its response is lost.
#[tokio::test]
async fn a_connection_that_keeps_closing_is_503() {
    let reads = scenarios().into_iter().filter(|scenario| matches!(scenario, Scenario::Read(_)));
    let ends = reads.map(|scenario| async move {
        let (test, case) = prepared(scenario).await;
        test.inject(Fault::LoseResponse, 0, usize::MAX);
        ends_in_503(&test, &case).await;
    });
    join_all(ends).await;
}

#[tokio::test]
async fn keys_that_stay_unprocessed_are_503_in_time() {
    let ends = [Scenario::RenameMovie, Scenario::Login].map(|scenario| async move {
        let (test, case) = prepared(scenario).await;
        test.inject(Fault::Unprocessed, 0, usize::MAX);
        ends_in_503(&test, &case).await;
    });
    join_all(ends).await;
}

#[tokio::test]
async fn slow_requests_and_a_hanging_one_are_503_in_time() {
    // A request may take six seconds, so two of them exceed the ten seconds of the function. The time limit of the
    // handler ends this.
    let slow = [Scenario::RenameMovie, Scenario::DeleteMovie].map(|scenario| async move {
        let (test, case) = prepared(scenario).await;
        for (index, times) in [(0, 2), (1, usize::MAX)] {
            // A rule does not count calls that matched an earlier rule.
            test.inject(Fault::Stall, index, times);
        }
        ends_in_503(&test, &case).await;
        until("the line of a function out of time", || {
            test.app.logs().iter().any(|line| line.contains("the function ran out of time"))
        })
        .await;
    });
    let throttled = [Scenario::RenameMovie, Scenario::DeleteMovie].map(|scenario| async move {
        let (test, case) = prepared(scenario).await;
        for (fault, index, times) in [(Fault::Throttle, 0, 2), (Fault::Stall, 1, usize::MAX)] {
            test.inject(fault, index, times);
        }
        ends_in_503(&test, &case).await;
    });
    join(join_all(slow), join_all(throttled)).await;
}

/// Makes the fault last from each of these requests of every scenario. All cases run concurrently, because they only
/// wait.
async fn lasts(at: impl Fn(&str) -> bool, fault: impl Fn() -> Fault) {
    let cases = scenarios()
        .into_iter()
        .flat_map(|scenario| {
            scenario.places().into_iter().map(move |index| (scenario, index, scenario.requests()[index]))
        })
        .filter(|(_, _, request)| at(request));
    let ends = cases.map(|(scenario, index, _)| {
        let fault = fault();
        async move {
            let (test, case) = prepared(scenario).await;
            test.inject(fault, index, usize::MAX);
            let requests = ends_in_503(&test, &case).await;
            assert!(requests > index + 1, "{} gave up at once", test.name());
        }
    });
    join_all(ends).await;
}

async fn prepared(scenario: Scenario) -> (FaultTest, Case) {
    let test = FaultTest::new(scenario).await;
    let case = test.case(1).await;
    // The function starts before the measurement.
    test.app.function(scenario.operation()).await.ready().await.expect("it starts");
    test.app.proxy.clear_calls();
    (test, case)
}

async fn ends_in_503(test: &FaultTest, case: &Case) -> usize {
    ends_in(test, case, 503, "unavailable").await
}

/// Asserts that the client gets this error, that nothing has changed, and that the same process works once the fault is
/// over. Returns the number of requests until the function gave up.
async fn ends_in(test: &FaultTest, case: &Case, status: u16, code: &str) -> usize {
    let before = test.app.table_contents();
    let response = test.send(case).await;
    assert_problem(&response, status, code);
    assert_eq!(test.app.table_contents(), before, "{}", test.name());
    assert_consistent(&test.app);

    let requests = test.requests().len();
    test.app.proxy.clear_rules();
    let function = test.app.function(test.scenario.operation()).await;
    assert_eq!(function.running_instances(), 1, "{}", test.name());
    let response = test.send(case).await;
    assert_eq!(response.status, test.scenario.success(), "{}: {}", test.name(), response.body);
    assert!(test.took_effect(case).await, "{}", test.name());
    assert_consistent(&test.app);
    requests
}
