//! Concurrent guesses, each in its own process, get no more attempts than sequential ones.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};

use super::{
    ACCOUNT_LIMIT, OWNER, PASSWORD_ENDPOINTS, PasswordEndpoint, SOURCE_LIMIT, STRANGER, ThrottleTest,
    early_in_the_hour, now,
};
use crate::{consistency::assert_consistent, test_app::PASSWORD};

/// The number of processes, and the average number of guesses of each.
const PROCESSES: usize = 25;
const GUESSES: usize = 100;

#[tokio::test]
async fn a_hundred_concurrent_guesses_get_five_attempts() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = crowd(endpoint, PROCESSES).await;
        // The last free attempt blocks every further one for a minute, so a slow machine does not matter.
        test.fail_times(10, STRANGER).await;
        let guesses = (0..GUESSES).map(|_| test.guess(STRANGER)).collect();
        let responses = test.all(guesses).await;
        assert_eq!(
            counts(&responses),
            BTreeMap::from([(endpoint.refusal(), 1), (429, GUESSES - 1)]),
            "{endpoint:?}"
        );
        counted(&test, 11, 11);
        test.let_waits_pass();
        test.fail(STRANGER).await;
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn concurrent_guesses_get_no_more_free_attempts() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = crowd(endpoint, PROCESSES).await;
        // No failure is counted before all attempts have arrived, so none of them comes after the first wait.
        let gate = Gate::new();
        let held = Rule { times: usize::MAX, ..Rule::once(Fault::Hold(gate.clone())) };
        test.app.proxy.inject(held.from(endpoint.operation()).on("UpdateItem"));
        let guesses = (0..PROCESSES).map(|_| test.guess(STRANGER)).collect();
        let opening = async {
            gate.reached_by(2 * PROCESSES).await;
            gate.open();
        };
        let (responses, ()) = join(test.all(guesses), opening).await;
        assert_eq!(
            counts(&responses),
            BTreeMap::from([(endpoint.refusal(), 5), (429, PROCESSES - 5)]),
            "{endpoint:?}"
        );
        counted(&test, 5, 5);
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn a_hundred_addresses_share_an_accounts_hour() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = crowd(endpoint, PROCESSES).await;
        early_in_the_hour().await;
        test.fail(STRANGER).await;
        test.set_windows(ACCOUNT_LIMIT, ACCOUNT_LIMIT - 7);
        let before = test.window_failures(SOURCE_LIMIT);
        let guesses = (0..GUESSES).map(|number| test.guess(&format!("2001:db8:0:{number:x}::1"))).collect();
        let responses = test.all(guesses).await;
        assert_eq!(
            counts(&responses),
            BTreeMap::from([(endpoint.refusal(), 7), (429, GUESSES - 7)]),
            "{endpoint:?}"
        );
        assert_eq!(test.window_failures(ACCOUNT_LIMIT), ACCOUNT_LIMIT, "{endpoint:?}");
        assert_eq!(test.window_failures(SOURCE_LIMIT), before + 7, "{endpoint:?}: counted for an address");
        assert_eq!(test.strict().len(), 1 + 7, "{endpoint:?}");
        for response in responses.iter().filter(|response| response.status == 429) {
            assert_eq!(test.app.hash_rounds(response).await, 0, "{endpoint:?}: a blocked attempt was hashed");
        }
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn concurrent_right_logins_all_succeed() {
    let test = crowd(PasswordEndpoint::Login, 4).await;
    let gate = Gate::new();
    let held = Rule { times: 4, ..Rule::once(Fault::Hold(gate.clone())) };
    test.app.proxy.inject(held.from("login").on("PutItem"));
    let opening = async {
        gate.reached_by(4).await;
        gate.open();
    };
    let logins = (0..4).map(|_| test.attempt(PASSWORD, OWNER)).collect();
    let (responses, ()) = join(test.all(logins), opening).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 4)]));
    counted(&test, 0, 0);
    assert_consistent(&test.app);
}

#[tokio::test]
async fn of_concurrent_password_changes_one_succeeds() {
    let test = crowd(PasswordEndpoint::ChangePassword, 4).await;
    let gate = Gate::new();
    let held = Rule { times: 4, ..Rule::once(Fault::Hold(gate.clone())) };
    test.app.proxy.inject(held.from("change-password").on("PutItem"));
    let opening = async {
        gate.reached_by(4).await;
        gate.open();
    };
    let changes = (0..4).map(|_| test.attempt(PASSWORD, OWNER)).collect();
    let (responses, ()) = join(test.all(changes), opening).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 1), (401, 3)]));
    counted(&test, 0, PasswordEndpoint::ChangePassword.kept(4));
    assert_consistent(&test.app);
}

#[tokio::test]
async fn an_owners_login_gives_a_guesser_no_more_attempts() {
    let test = crowd(PasswordEndpoint::Login, PROCESSES).await;
    test.fail_times(10, STRANGER).await;
    let mut requests: Vec<HttpRequest> = (0..40).map(|_| test.guess(STRANGER)).collect();
    requests.extend((0..4).map(|_| test.attempt(PASSWORD, OWNER)));
    let responses = test.all(requests).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 4), (401, 1), (429, 39)]));
    counted(&test, 11, 11);
    test.block_until(now() + 60_000);
    test.blocked(test.attempt(PASSWORD, STRANGER)).await;
    assert_consistent(&test.app);
}

/// Starts a test with this many processes of its endpoint, early enough in the hour.
async fn crowd(endpoint: PasswordEndpoint, processes: usize) -> ThrottleTest {
    let mut test = ThrottleTest::new(endpoint).await;
    early_in_the_hour().await;
    if endpoint == PasswordEndpoint::Login {
        test.app.kill("login").await;
    }
    test.app.start_many(endpoint.operation(), processes).await;
    test
}

impl ThrottleTest {
    async fn all(&self, requests: Vec<HttpRequest>) -> Vec<HttpResponse> {
        join_all(requests.into_iter().map(|request| self.app.send(request))).await
    }
}

/// Returns the number of responses by status.
fn counts(responses: &[HttpResponse]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for response in responses {
        *counts.entry(response.status).or_default() += 1;
    }
    counts
}

/// Panics unless the only address with failures has this many with the account, and each hourly counter, too.
#[track_caller]
fn counted(test: &ThrottleTest, strict: u64, windows: u64) {
    assert_eq!(test.strict_failures(), strict, "{:?}", test.endpoint);
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        assert_eq!(test.window_failures(limit), windows, "{:?}: window of {limit}", test.endpoint);
    }
}
