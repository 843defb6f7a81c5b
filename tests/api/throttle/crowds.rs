//! Concurrent guesses, each in its own process: from one address for one account, they get no more attempts than
//! sequential ones.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use local::{
    fault_proxy::{Fault, Gate, Rule},
    gateway::{HttpRequest, HttpResponse},
};

use super::{
    ACCOUNT_LIMIT, OWNER, PASSWORD_ENDPOINTS, PasswordEndpoint, SOURCE_LIMIT, STRANGER, ThrottleTest,
    early_in_the_hour, login, now,
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
        // No failure is recorded before all attempts have arrived, so none of them comes after the first wait.
        let guesses = (0..PROCESSES).map(|_| test.guess(STRANGER)).collect();
        let responses = test.all_admitted_at_once(guesses).await;
        assert_eq!(
            counts(&responses),
            BTreeMap::from([(endpoint.refusal(), 5), (429, PROCESSES - 5)]),
            "{endpoint:?}"
        );
        counted(&test, 5, 5);
        assert_consistent(&test.app);
    }
}

/// The windows are read before an attempt is admitted and written after it has failed, so attempts in flight do not see
/// each other: a window can exceed its limit by all of them but one.
#[tokio::test]
async fn windows_exceed_their_limit_by_attempts_in_flight_only() {
    for (endpoint, limit) in [
        (PasswordEndpoint::Login, ACCOUNT_LIMIT),
        (PasswordEndpoint::Login, SOURCE_LIMIT),
        (PasswordEndpoint::ChangePassword, ACCOUNT_LIMIT),
    ] {
        let test = crowd(endpoint, PROCESSES).await;
        test.fail(STRANGER).await;
        test.set_windows(limit, limit - 1);
        // Each guess has a strict counter of its own.
        let guess = |number: usize| match limit {
            ACCOUNT_LIMIT => test.guess(&format!("198.51.100.{number}")),
            _ => login(&format!("user{number}@example.com"), "a wrong password", STRANGER),
        };
        let responses = test.all_admitted_at_once((0..PROCESSES).map(guess).collect()).await;
        let name = format!("{endpoint:?}, limit {limit}");
        assert_eq!(counts(&responses), BTreeMap::from([(endpoint.refusal(), PROCESSES)]), "{name}");
        assert_eq!(test.window_failures(limit), limit - 1 + PROCESSES as u64, "{name}");
        test.blocked(guess(PROCESSES)).await;
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
        let counts = counts(&responses);
        let admitted = counts[&endpoint.refusal()];
        assert!((7..7 + PROCESSES).contains(&admitted), "{endpoint:?}: {counts:?}");
        assert_eq!(counts[&429], GUESSES - admitted, "{endpoint:?}: {counts:?}");
        let counted = admitted as u64;
        assert_eq!(test.window_failures(ACCOUNT_LIMIT), ACCOUNT_LIMIT - 7 + counted, "{endpoint:?}");
        assert_eq!(test.window_failures(SOURCE_LIMIT), before + counted, "{endpoint:?}: of each address");
        assert_eq!(test.strict().len(), 1 + admitted, "{endpoint:?}");
        for response in responses.iter().filter(|response| response.status == 429) {
            assert_eq!(test.app.hash_rounds(response).await, 0, "{endpoint:?}: a blocked attempt was hashed");
        }
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn concurrent_right_logins_all_succeed() {
    let test = crowd(PasswordEndpoint::Login, 4).await;
    let logins = (0..4).map(|_| test.attempt(PASSWORD, OWNER)).collect();
    let responses = test.all_admitted_at_once(logins).await;
    assert_eq!(counts(&responses), BTreeMap::from([(200, 4)]));
    counted(&test, 0, 0);
    assert_consistent(&test.app);
}

#[tokio::test]
async fn of_concurrent_password_changes_one_succeeds() {
    let test = crowd(PasswordEndpoint::ChangePassword, 4).await;
    let changes = (0..4).map(|_| test.attempt(PASSWORD, OWNER)).collect();
    let responses = test.all_admitted_at_once(changes).await;
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
    /// Sends these requests, and admits none of them before all have arrived.
    async fn all_admitted_at_once(&self, requests: Vec<HttpRequest>) -> Vec<HttpResponse> {
        let gate = Gate::new();
        let held = Rule { times: usize::MAX, ..Rule::once(Fault::Hold(gate.clone())) };
        self.app.proxy.inject(held.from(self.endpoint.operation()).on("PutItem"));
        let opening = async {
            gate.reached_by(requests.len()).await;
            gate.open();
        };
        join(self.all(requests.clone()), opening).await.0
    }

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
