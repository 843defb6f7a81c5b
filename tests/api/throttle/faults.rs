//! Requests for counters that fail: nobody is blocked for it, and nothing is lost.

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    gateway::HttpResponse,
};

use super::{ACCOUNT_LIMIT, DOORS, Door, House, OWNER, SOURCE_LIMIT, failures, key};
use crate::{
    bag::{ATTEMPTS, PASSWORD},
    consistency::assert_consistent,
};

/// A try that follows two failures, with a right password or a wrong one.
const EARLIER: u64 = 2;
const RIGHT: [bool; 2] = [true, false];

/// Every request of a try: the operation, and how many of its kind come before. The reads of a login run side by side,
/// as do the two windows each time.
pub(super) fn requests(door: Door, right: bool) -> Vec<(&'static str, usize)> {
    let reads = if door == Door::Login { 3 } else { 2 };
    let mut requests: Vec<_> = (0..reads).map(|index| ("GetItem", index)).collect();
    requests.extend([("UpdateItem", 0), ("UpdateItem", 1), ("PutItem", 0)]);
    if right {
        // A login counts both windows down; a change of the password writes the user.
        requests.extend([("DeleteItem", 0), ("UpdateItem", 2)]);
    }
    if right && door == Door::Login {
        requests.push(("UpdateItem", 3));
    }
    requests
}

/// What a try with an ordinary answer leaves: failures of the account with the address, and in the windows.
fn after(door: Door, right: bool) -> (u64, u64) {
    if right { (0, EARLIER + door.kept(1)) } else { (EARLIER + 1, EARLIER + 1) }
}

pub(super) async fn house(door: Door) -> House {
    let house = House::new(door).await;
    house.fail_times(EARLIER, OWNER).await;
    house
}

/// Forgets every failure, as time does, and every fault, and begins with the earlier failures again.
pub(super) async fn start_over(house: &House) {
    house.bag.proxy.clear_rules();
    for counter in house.bag.items(ATTEMPTS, "") {
        house.bag.remove(ATTEMPTS, key(&counter));
    }
    house.fail_times(EARLIER, OWNER).await;
}

async fn attempt(house: &mut House, right: bool) -> HttpResponse {
    let password = if right { PASSWORD } else { "a wrong password" };
    let response = house.bag.send(house.attempt(password, OWNER)).await;
    if let Some(token) = response.json()["token"].as_str() {
        token.clone_into(&mut house.ann.token);
    }
    response
}

/// The failures of the account with the address, of the account in this hour, and of the address.
fn counts(house: &House) -> (u64, u64, u64) {
    // The first login came from another address, and left a window with nothing in it.
    (
        house.strict_failures(),
        house.window_failures(ACCOUNT_LIMIT),
        house.windows(SOURCE_LIMIT).iter().map(failures).sum(),
    )
}

fn ordinary_status(door: Door, right: bool) -> u16 {
    if right { 200 } else { door.refusal() }
}

#[tokio::test]
async fn the_requests_of_a_try_are_these() {
    for (door, right) in cases() {
        let mut house = house(door).await;
        house.bag.proxy.clear_calls();
        assert_eq!(attempt(&mut house, right).await.status, ordinary_status(door, right));
        let calls = house.bag.proxy.calls_of(door.operation());
        let mut made: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        let mut expected: Vec<&str> =
            requests(door, right).into_iter().map(|(operation, _)| operation).collect();
        made.sort_unstable();
        expected.sort_unstable();
        assert_eq!(made, expected, "{door:?}, right: {right}");
        for call in calls.iter().filter(|call| call.operation == "GetItem") {
            assert_eq!(call.body["ConsistentRead"], true);
        }
    }
}

#[tokio::test]
async fn a_request_that_fails_once_is_sent_again_and_nothing_is_counted_twice() {
    join_all(cases().map(|(door, right)| async move {
        let mut house = house(door).await;
        for (operation, index) in requests(door, right) {
            for fault in [Fault::Throttle, Fault::ServerError, Fault::Unavailable503] {
                start_over(&house).await;
                let name = format!("{door:?}, right: {right}, {fault:?} at {operation} {index}");
                house.bag.proxy.inject(Rule::once(fault).from(door.operation()).on(operation).after(index));
                let response = attempt(&mut house, right).await;
                assert_eq!(response.status, ordinary_status(door, right), "{name}: {}", response.body);
                let (strict, windows) = after(door, right);
                assert_eq!(counts(&house), (strict, windows, windows), "{name}");
            }
        }
        assert_consistent(&house.bag);
    }))
    .await;
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_blocks_nobody_and_counts_one_failure_with_the_address() {
    join_all(cases().map(|(door, right)| async move {
        let mut house = house(door).await;
        for (operation, index) in requests(door, right) {
            start_over(&house).await;
            let rule = Rule::once(Fault::LoseResponse).from(door.operation()).on(operation).after(index);
            house.bag.proxy.inject(rule);
            let name = format!("{door:?}, right: {right}, the answer to {operation} {index} is lost");
            let response = attempt(&mut house, right).await;
            assert_eq!(response.status, ordinary_status(door, right), "{name}: {}", response.body);
            let (strict, windows) = after(door, right);
            let (counted, account, source) = counts(&house);
            assert_eq!(counted, strict, "{name}");
            // A window is a plain number, which a repeated request moves twice: one of the two is off by one.
            let off = account.abs_diff(windows) + source.abs_diff(windows);
            let writes_of_windows = if door == Door::Login { 4 } else { 2 };
            let moved = operation == "UpdateItem" && index < writes_of_windows;
            assert_eq!(off, u64::from(moved), "{name}: {account} and {source}");
        }
        assert_consistent(&house.bag);
    }))
    .await;
}

#[tokio::test]
async fn throttling_for_ever_is_503_and_one_failure_too_many_at_worst() {
    lasts(Fault::Throttle).await;
}

#[tokio::test]
async fn a_request_that_hangs_for_ever_is_503_and_one_failure_too_many_at_worst() {
    lasts(Fault::Stall).await;
}

/// At each of its requests a try ends in 503. All at the same time: what takes long is only waiting.
async fn lasts(fault: Fault) {
    let ends = cases().flat_map(|(door, right)| {
        requests(door, right).into_iter().map(move |(operation, index)| (door, right, operation, index))
    });
    join_all(ends.map(|(door, right, operation, index)| {
        let fault = fault.clone();
        async move {
            let mut house = house(door).await;
            let rule = Rule::always(fault).from(door.operation()).on(operation).after(index);
            house.bag.proxy.inject(rule);
            let name = format!("{door:?}, right: {right}, {operation} {index}");
            let response = attempt(&mut house, right).await;
            crate::expect::expect_problem(&response, 503, "unavailable");
            assert!(response.header("retry-after").is_some(), "{name}");
            at_most_one_too_many(&house, right, &name);
            assert_consistent(&house.bag);

            house.bag.proxy.clear_rules();
            house.succeed(OWNER).await;
            assert_eq!(house.strict_failures(), 0, "{name}");
        }
    }))
    .await;
}

/// Nothing is forgotten, unless the password was right, and the try that got no answer counts once or not at all.
pub(super) fn at_most_one_too_many(house: &House, right: bool, name: &str) {
    let (strict, account, source) = counts(house);
    let possible = EARLIER..=EARLIER + 1;
    assert!(possible.contains(&strict) || right && strict == 0, "{name}: {strict} with the address");
    assert!(possible.contains(&account), "{name}: {account} of the account");
    assert!(possible.contains(&source), "{name}: {source} of the address");
}

pub(super) fn cases() -> impl Iterator<Item = (Door, bool)> {
    DOORS.into_iter().flat_map(|door| RIGHT.map(|right| (door, right)))
}
