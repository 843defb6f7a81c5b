//! Faults that last: the operation gives up in time, and nothing has changed.

use futures_util::future::{join, join_all};
use local::fault_proxy::Fault;

use super::{Case, PATHS, Path, Stage, assert_problem, until};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn throttling_for_ever_is_503() {
    lasts(|_| true, || Fault::Throttle).await;
}

/// Another user's transaction has the claim in hand: the email at a signup, the name of a movie otherwise.
#[tokio::test]
async fn conflicts_with_others_for_ever_are_503_and_never_409() {
    let paths = [Path::Signup, Path::Create, Path::Rename, Path::Delete];
    let ends = paths.map(|path| async move {
        let (stage, case) = prepared(path).await;
        stage.inject(Fault::TransactionConflict { position: 1 }, path.requests().len() - 1, usize::MAX);
        ends_in_503(&stage, &case).await;
    });
    join_all(ends).await;
}

/// The user's other requests have the user or the movie in hand, which nobody else writes to.
#[tokio::test]
async fn conflicts_with_oneself_for_ever_are_429() {
    let paths = [
        (Path::Create, 2),
        (Path::Rename, 0),
        (Path::Respell, 0),
        (Path::Details, 0),
        (Path::Delete, 0),
        (Path::Delete, 2),
        (Path::ChangePassword, 0),
        (Path::Logout, 0),
        (Path::Leave, 0),
    ];
    let ends = paths.map(|(path, position)| async move {
        let (stage, case) = prepared(path).await;
        stage.inject(Fault::TransactionConflict { position }, path.requests().len() - 1, usize::MAX);
        let requests = ends_in(&stage, &case, 429, "too_many_concurrent_writes").await;
        assert!(requests > path.requests().len(), "{} gave up at once", stage.name());
    });
    join_all(ends).await;
}

#[tokio::test]
async fn a_server_that_fails_for_ever_is_503() {
    lasts(|_| true, || Fault::ServerError).await;
}

#[tokio::test]
async fn a_service_that_is_away_for_ever_is_503() {
    lasts(|request| request != "GetItem", || Fault::Unavailable503).await;
}

#[tokio::test]
async fn a_request_that_hangs_for_ever_is_503_before_lambda_ends_the_function() {
    lasts(|_| true, || Fault::Stall).await;
}

#[tokio::test]
async fn a_last_request_that_hangs_after_others_were_slow_is_503_before_lambda_ends_the_function() {
    // One request has six seconds, so three of them do not fit into the function's ten: what ends this is the limit
    // for the handler as a whole.
    let slow = [Path::Rename, Path::Delete].map(|path| async move {
        let (stage, case) = prepared(path).await;
        for (index, times) in [(0, 2), (1, 2), (2, usize::MAX)] {
            // A rule does not count the calls that an earlier one took.
            stage.inject(Fault::Stall, index, times);
        }
        ends_in_503(&stage, &case).await;
        until("the line of a function out of time", || {
            stage.bag.logs().iter().any(|line| line.contains("the function ran out of time"))
        })
        .await;
    });
    let throttled = [Path::Rename, Path::Delete].map(|path| async move {
        let (stage, case) = prepared(path).await;
        for (fault, index, times) in
            [(Fault::Throttle, 0, 2), (Fault::Throttle, 1, 2), (Fault::Stall, 2, usize::MAX)]
        {
            stage.inject(fault, index, times);
        }
        ends_in_503(&stage, &case).await;
    });
    join(join_all(slow), join_all(throttled)).await;
}

/// At each of these requests, of every path, the fault comes and stays. All at the same time: what takes long is only
/// waiting.
async fn lasts(at: impl Fn(&str) -> bool, fault: impl Fn() -> Fault) {
    let cases = PATHS
        .into_iter()
        .flat_map(|path| path.places().into_iter().map(move |index| (path, index, path.requests()[index])))
        .filter(|(_, _, request)| at(request));
    let ends = cases.map(|(path, index, _)| {
        let fault = fault();
        async move {
            let (stage, case) = prepared(path).await;
            stage.inject(fault, index, usize::MAX);
            let requests = ends_in_503(&stage, &case).await;
            assert!(requests > index + 1, "{} gave up at once", stage.name());
        }
    });
    join_all(ends).await;
}

async fn prepared(path: Path) -> (Stage, Case) {
    let stage = Stage::new(path).await;
    let case = stage.case(1).await;
    // The function starts before it is measured.
    stage.bag.function(path.operation()).await.ready().await.expect("it starts");
    stage.bag.proxy.clear_calls();
    (stage, case)
}

async fn ends_in_503(stage: &Stage, case: &Case) -> usize {
    ends_in(stage, case, 503, "unavailable").await
}

/// The client gets this error, nothing has changed, and the same process works as soon as the fault is over.
/// Returns the number of requests that it took to give up.
async fn ends_in(stage: &Stage, case: &Case, status: u16, code: &str) -> usize {
    let before = stage.bag.contents();
    let response = stage.send(case).await;
    assert_problem(&response, status, code);
    assert_eq!(stage.bag.contents(), before, "{}", stage.name());
    assert_consistent(&stage.bag);

    let requests = stage.requests().len();
    stage.bag.proxy.clear_rules();
    let function = stage.bag.function(stage.path.operation()).await;
    assert_eq!(function.running_instances(), 1, "{}", stage.name());
    let response = stage.send(case).await;
    assert_eq!(response.status, stage.path.success(), "{}: {}", stage.name(), response.body);
    assert!(stage.took_effect(case).await, "{}", stage.name());
    assert_consistent(&stage.bag);
    requests
}
