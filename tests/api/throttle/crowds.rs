//! Many guesses at the same time, each in a process of its own, get no more tries than one after the other.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};

use super::{ACCOUNT_LIMIT, DOORS, Door, House, OWNER, SOURCE_LIMIT, STRANGER, early_in_the_hour, now};
use crate::{bag::PASSWORD, consistency::assert_consistent};

/// The processes, and how many guesses each gets on average.
const PROCESSES: usize = 25;
const GUESSES: usize = 100;

#[tokio::test]
async fn a_hundred_guesses_at_once_from_one_address_get_five_tries() {
    for door in DOORS {
        let house = crowd(door, PROCESSES).await;
        // The last free try of all makes every further one wait for a minute, so the machine may be slow.
        house.fail_times(10, STRANGER).await;
        let guesses = (0..GUESSES).map(|_| house.guess(STRANGER)).collect();
        let responses = house.all(guesses).await;
        assert_eq!(counts(&responses), BTreeMap::from([(door.refusal(), 1), (429, GUESSES - 1)]), "{door:?}");
        counted(&house, 11, 11);
        house.let_waits_pass();
        house.fail(STRANGER).await;
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn free_tries_are_as_few_at_once_as_one_after_the_other() {
    for door in DOORS {
        let house = crowd(door, PROCESSES).await;
        // Nobody may count a failure before all have come, so none of them comes after the first wait.
        let gate = Gate::new();
        let held = Rule { times: usize::MAX, ..Rule::once(Fault::Hold(gate.clone())) };
        house.bag.proxy.inject(held.from(door.operation()).on("UpdateItem"));
        let guesses = (0..PROCESSES).map(|_| house.guess(STRANGER)).collect();
        let opening = async {
            gate.reached_by(2 * PROCESSES).await;
            gate.open();
        };
        let (responses, ()) = join(house.all(guesses), opening).await;
        assert_eq!(
            counts(&responses),
            BTreeMap::from([(door.refusal(), 5), (429, PROCESSES - 5)]),
            "{door:?}"
        );
        counted(&house, 5, 5);
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn a_hundred_guesses_at_once_from_a_hundred_addresses_get_what_is_left_of_the_hour() {
    for door in DOORS {
        let house = crowd(door, PROCESSES).await;
        early_in_the_hour().await;
        house.fail(STRANGER).await;
        house.set_windows(ACCOUNT_LIMIT, ACCOUNT_LIMIT - 7);
        let before = house.window_failures(SOURCE_LIMIT);
        let guesses = (0..GUESSES).map(|number| house.guess(&format!("2001:db8:0:{number:x}::1"))).collect();
        let responses = house.all(guesses).await;
        assert_eq!(counts(&responses), BTreeMap::from([(door.refusal(), 7), (429, GUESSES - 7)]), "{door:?}");
        assert_eq!(house.window_failures(ACCOUNT_LIMIT), ACCOUNT_LIMIT, "{door:?}");
        assert_eq!(house.window_failures(SOURCE_LIMIT), before + 7, "{door:?}: counted for an address");
        assert_eq!(house.strict().len(), 1 + 7, "{door:?}");
        for response in responses.iter().filter(|response| response.status == 429) {
            assert_eq!(house.bag.rounds(response).await, 0, "{door:?}: a blocked try was hashed");
        }
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn right_logins_at_the_same_time_all_succeed_and_leave_no_failure_behind() {
    let house = crowd(Door::Login, 4).await;
    let gate = Gate::new();
    let held = Rule { times: 4, ..Rule::once(Fault::Hold(gate.clone())) };
    house.bag.proxy.inject(held.from("login").on("PutItem"));
    let opening = async {
        gate.reached_by(4).await;
        gate.open();
    };
    let logins = (0..4).map(|_| house.attempt(PASSWORD, OWNER)).collect();
    let (responses, ()) = join(house.all(logins), opening).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 4)]));
    counted(&house, 0, 0);
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn of_changes_of_one_password_at_the_same_time_one_succeeds_and_none_is_a_failure() {
    let house = crowd(Door::ChangePassword, 4).await;
    let gate = Gate::new();
    let held = Rule { times: 4, ..Rule::once(Fault::Hold(gate.clone())) };
    house.bag.proxy.inject(held.from("change-password").on("PutItem"));
    let opening = async {
        gate.reached_by(4).await;
        gate.open();
    };
    let changes = (0..4).map(|_| house.attempt(PASSWORD, OWNER)).collect();
    let (responses, ()) = join(house.all(changes), opening).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 1), (401, 3)]));
    counted(&house, 0, Door::ChangePassword.kept(4));
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn an_owner_who_logs_in_amid_guesses_gets_in_and_gives_the_stranger_nothing() {
    let house = crowd(Door::Login, PROCESSES).await;
    house.fail_times(10, STRANGER).await;
    let mut requests: Vec<HttpRequest> = (0..40).map(|_| house.guess(STRANGER)).collect();
    requests.extend((0..4).map(|_| house.attempt(PASSWORD, OWNER)));
    let responses = house.all(requests).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 4), (401, 1), (429, 39)]));
    counted(&house, 11, 11);
    house.block_until(now() + 60_000);
    house.blocked(house.attempt(PASSWORD, STRANGER)).await;
    assert_consistent(&house.bag);
}

/// A house with so many processes behind its door, early enough in the hour that it does not end meanwhile.
async fn crowd(door: Door, processes: usize) -> House {
    let mut house = House::new(door).await;
    early_in_the_hour().await;
    if door == Door::Login {
        house.bag.kill("login").await;
    }
    house.bag.start_many(door.operation(), processes).await;
    house
}

impl House {
    async fn all(&self, requests: Vec<HttpRequest>) -> Vec<HttpResponse> {
        join_all(requests.into_iter().map(|request| self.bag.send(request))).await
    }
}

/// How many got which status.
fn counts(responses: &[HttpResponse]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for response in responses {
        *counts.entry(response.status).or_default() += 1;
    }
    counts
}

/// Panics unless the only address that failed with the account has so many failures, and each window that counts them.
#[track_caller]
fn counted(house: &House, strict: u64, windows: u64) {
    assert_eq!(house.strict_failures(), strict, "{:?}", house.door);
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        assert_eq!(house.window_failures(limit), windows, "{:?}: window of {limit}", house.door);
    }
}
