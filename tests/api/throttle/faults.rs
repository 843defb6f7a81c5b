//! Failing requests of counters: no user is blocked because of them, and the strict counter loses no failure.

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    gateway::HttpResponse,
};

use super::{
    ACCOUNT_LIMIT, OWNER, PASSWORD_ENDPOINTS, PasswordEndpoint, SOURCE_LIMIT, ThrottleTest, failures, key,
};
use crate::{
    consistency::assert_consistent,
    test_app::{PASSWORD, PASSWORD_ATTEMPTS},
};

/// An attempt after two failures, with a correct password or a wrong one.
const EARLIER: u64 = 2;
const RIGHT: [bool; 2] = [true, false];

/// Returns every request of an attempt: its action, and the number of earlier requests with this action. Those of one
/// round trip are concurrent.
pub(super) fn requests(endpoint: PasswordEndpoint, right: bool) -> Vec<(&'static str, usize)> {
    let mut requests = vec![("BatchGetItem", 0), ("GetItem", 0), ("PutItem", 0)];
    if endpoint == PasswordEndpoint::Login {
        requests.push(("GetItem", 1));
    }
    if right {
        requests.push(("DeleteItem", 0));
    }
    if !right || endpoint == PasswordEndpoint::ChangePassword {
        requests.extend([("UpdateItem", 0), ("UpdateItem", 1)]);
    }
    if right && endpoint == PasswordEndpoint::ChangePassword {
        // The last write is that of the user, with the notice.
        requests.push(("TransactWriteItems", 0));
    }
    requests
}

/// Returns the failures after an attempt without a fault: of the account with the address, and in the hourly counters.
fn after(endpoint: PasswordEndpoint, right: bool) -> (u64, u64) {
    if right { (0, EARLIER + endpoint.kept(1)) } else { (EARLIER + 1, EARLIER + 1) }
}

pub(super) async fn test(endpoint: PasswordEndpoint) -> ThrottleTest {
    let test = ThrottleTest::new(endpoint).await;
    test.fail_times(EARLIER, OWNER).await;
    test
}

/// Deletes every counter and every fault, and repeats the earlier failures.
pub(super) async fn start_over(test: &ThrottleTest) {
    test.app.proxy.clear_rules();
    for counter in test.app.items(PASSWORD_ATTEMPTS, "") {
        test.app.delete_item(PASSWORD_ATTEMPTS, key(&counter));
    }
    test.fail_times(EARLIER, OWNER).await;
}

async fn attempt(test: &mut ThrottleTest, right: bool) -> HttpResponse {
    let password = if right { PASSWORD } else { "a wrong password" };
    let response = test.app.send(test.attempt(password, OWNER)).await;
    if let Some(token) = response.json()["token"].as_str() {
        token.clone_into(&mut test.ann.token);
    }
    response
}

/// Returns the failures of the account with the address, of the account in this hour, and of the address.
fn counts(test: &ThrottleTest) -> (u64, u64, u64) {
    (
        test.strict_failures(),
        test.window_failures(ACCOUNT_LIMIT),
        test.windows(SOURCE_LIMIT).iter().map(failures).sum(),
    )
}

fn ordinary_status(endpoint: PasswordEndpoint, right: bool) -> u16 {
    if right { 200 } else { endpoint.refusal() }
}

#[tokio::test]
async fn an_attempt_makes_these_requests() {
    for (endpoint, right) in cases() {
        let mut test = test(endpoint).await;
        test.app.proxy.clear_calls();
        assert_eq!(attempt(&mut test, right).await.status, ordinary_status(endpoint, right));
        let calls = test.app.proxy.calls_of(endpoint.operation());
        let mut made: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        let mut expected: Vec<&str> =
            requests(endpoint, right).into_iter().map(|(operation, _)| operation).collect();
        made.sort_unstable();
        expected.sort_unstable();
        assert_eq!(made, expected, "{endpoint:?}, right: {right}");
        for call in calls.iter().filter(|call| call.operation == "GetItem") {
            assert_eq!(call.body["ConsistentRead"], true);
        }
    }
}

#[tokio::test]
async fn a_retried_request_counts_nothing_twice() {
    join_all(cases().map(|(endpoint, right)| async move {
        let mut test = test(endpoint).await;
        for (operation, index) in requests(endpoint, right) {
            for fault in [Fault::Throttle, Fault::ServerError, Fault::Unavailable503] {
                start_over(&test).await;
                let name = format!("{endpoint:?}, right: {right}, {fault:?} at {operation} {index}");
                test.app
                    .proxy
                    .inject(Rule::once(fault).from(endpoint.operation()).on(operation).after(index));
                let response = attempt(&mut test, right).await;
                assert_eq!(response.status, ordinary_status(endpoint, right), "{name}: {}", response.body);
                let (strict, windows) = after(endpoint, right);
                assert_eq!(counts(&test), (strict, windows, windows), "{name}");
            }
        }
        assert_consistent(&test.app);
    }))
    .await;
}

#[tokio::test]
async fn a_lost_response_counts_at_most_one_failure() {
    join_all(cases().map(|(endpoint, right)| async move {
        let mut test = test(endpoint).await;
        for (operation, index) in requests(endpoint, right) {
            start_over(&test).await;
            let rule = Rule::once(Fault::LoseResponse).from(endpoint.operation()).on(operation).after(index);
            test.app.proxy.inject(rule);
            let name = format!("{endpoint:?}, right: {right}, the response of {operation} {index} is lost");
            let response = attempt(&mut test, right).await;
            assert_eq!(response.status, ordinary_status(endpoint, right), "{name}: {}", response.body);
            let (strict, windows) = after(endpoint, right);
            let (counted, account, source) = counts(&test);
            assert_eq!(counted, strict, "{name}");
            // An hourly counter is a plain number, which a repeated request changes twice: one of the two is off by
            // one.
            let off = account.abs_diff(windows) + source.abs_diff(windows);
            let moved = operation == "UpdateItem";
            assert_eq!(off, u64::from(moved), "{name}: {account} and {source}");
        }
        assert_consistent(&test.app);
    }))
    .await;
}

#[tokio::test]
async fn lasting_throttling_counts_at_most_one_failure() {
    lasts(Fault::Throttle).await;
}

#[tokio::test]
async fn a_hanging_request_counts_at_most_one_failure() {
    lasts(Fault::Stall).await;
}

/// Makes an attempt end in 503 at each of its requests. All cases run concurrently, because they only wait.
async fn lasts(fault: Fault) {
    let ends = cases().flat_map(|(endpoint, right)| {
        requests(endpoint, right)
            .into_iter()
            .map(move |(operation, index)| (endpoint, right, operation, index))
    });
    join_all(ends.map(|(endpoint, right, operation, index)| {
        let fault = fault.clone();
        async move {
            let mut test = test(endpoint).await;
            let rule = Rule::always(fault).from(endpoint.operation()).on(operation).after(index);
            test.app.proxy.inject(rule);
            let name = format!("{endpoint:?}, right: {right}, {operation} {index}");
            let response = attempt(&mut test, right).await;
            crate::expect::expect_problem(&response, 503, "unavailable");
            assert!(response.header("retry-after").is_some(), "{name}");
            at_most_one_too_many(&test, right, &name);
            assert_consistent(&test.app);

            test.app.proxy.clear_rules();
            test.succeed(OWNER).await;
            assert_eq!(test.strict_failures(), 0, "{name}");
        }
    }))
    .await;
}

/// Panics unless the earlier failures are kept, except after a correct password, and the failed attempt counts at most
/// once.
pub(super) fn at_most_one_too_many(test: &ThrottleTest, right: bool, name: &str) {
    let (strict, account, source) = counts(test);
    let possible = EARLIER..=EARLIER + 1;
    assert!(possible.contains(&strict) || right && strict == 0, "{name}: {strict} with the address");
    assert!(possible.contains(&account), "{name}: {account} of the account");
    assert!(possible.contains(&source), "{name}: {source} of the address");
}

pub(super) fn cases() -> impl Iterator<Item = (PasswordEndpoint, bool)> {
    PASSWORD_ENDPOINTS.into_iter().flat_map(|endpoint| RIGHT.map(|right| (endpoint, right)))
}
