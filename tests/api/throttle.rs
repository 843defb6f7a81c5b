//! Back-off after wrong passwords, at both endpoints: `login` and `change-password`.
//!
//! Tests move time by changing the counters in the table.

mod addresses;
mod backoff;
mod bounds;
mod counters;
mod crowds;
mod faults;
mod killed;

use std::time::Duration;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::test_app::{
    MOVIES, PASSWORD, PASSWORD_ATTEMPTS, TestApp, TestUser, USERS, hashing::LOG_HASHES, post, put,
};

/// The address of an attacker, and the address of the account's owner.
const STRANGER: &str = "198.51.100.66";
const OWNER: &str = "192.0.2.7";

/// The number of failures per hour that an account and an address may have.
const ACCOUNT_LIMIT: u64 = 100;
const SOURCE_LIMIT: u64 = 1_000;

/// An endpoint that checks a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PasswordEndpoint {
    Login,
    ChangePassword,
}

const PASSWORD_ENDPOINTS: [PasswordEndpoint; 2] = [PasswordEndpoint::Login, PasswordEndpoint::ChangePassword];

impl PasswordEndpoint {
    fn operation(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::ChangePassword => "change-password",
        }
    }

    /// Returns how many of this many correct passwords stay in the hourly counters: a password change costs two hashes.
    fn kept(self, successes: u64) -> u64 {
        match self {
            Self::Login => 0,
            Self::ChangePassword => successes,
        }
    }

    /// Returns the status for a wrong password.
    fn refusal(self) -> u16 {
        match self {
            Self::Login => 401,
            Self::ChangePassword => 403,
        }
    }
}

/// A system with one account whose password is attempted at one endpoint.
struct ThrottleTest {
    app: TestApp,
    endpoint: PasswordEndpoint,
    ann: TestUser,
}

impl ThrottleTest {
    async fn new(endpoint: PasswordEndpoint) -> Self {
        let app = TestApp::start_with(1, &[LOG_HASHES]).await;
        let ann = app.create_user("ann").await;
        Self { app, endpoint, ann }
    }

    /// Returns a password attempt from an address.
    fn attempt(&self, password: &str, source: &str) -> HttpRequest {
        match self.endpoint {
            PasswordEndpoint::Login => login(&self.ann.email, password, source),
            PasswordEndpoint::ChangePassword => {
                let body = json!({"current_password": password, "new_password": PASSWORD});
                put("/api/auth/password", &body).bearer(&self.ann.token).source_ip(source)
            }
        }
    }

    /// Returns an attempt with a wrong password.
    fn guess(&self, source: &str) -> HttpRequest {
        self.attempt("a wrong password", source)
    }

    /// Sends a wrong password, which is checked and refused.
    async fn fail(&self, source: &str) -> HttpResponse {
        let response = self.app.send(self.guess(source)).await;
        assert_eq!(response.status, self.endpoint.refusal(), "{:?}: {}", self.endpoint, response.body);
        assert_eq!(response.json()["code"], "invalid_credentials");
        response
    }

    /// Sends this many wrong passwords without a wait between them.
    async fn fail_times(&self, times: u64, source: &str) {
        for _ in 0..times {
            self.fail(source).await;
            self.let_waits_pass();
        }
    }

    /// Sends an attempt that is blocked: the password is not checked, and nothing changes.
    async fn blocked(&self, request: HttpRequest) -> HttpResponse {
        let before = self.counted();
        let response = self.app.send(request).await;
        expect_blocked(&response);
        assert_eq!(
            self.app.hash_rounds(&response).await,
            0,
            "{:?}: a blocked attempt was hashed",
            self.endpoint
        );
        assert_eq!(self.counted(), before, "{:?}: a blocked attempt was counted", self.endpoint);
        response
    }

    /// Sends the correct password, which is accepted.
    async fn succeed(&mut self, source: &str) -> HttpResponse {
        let response = self.app.send(self.attempt(PASSWORD, source)).await;
        assert_eq!(response.status, 200, "{:?}: {}", self.endpoint, response.body);
        response.json()["token"].as_str().expect("a token").clone_into(&mut self.ann.token);
        response
    }

    /// Returns all items of the tables, without the times at which hourly counters expire.
    fn counted(&self) -> Vec<Value> {
        let mut items = [USERS, PASSWORD_ATTEMPTS, MOVIES].map(|table| self.app.items(table, "")).concat();
        for window in items.iter_mut().filter(|item| item["last_attempt"].is_null()) {
            window["expires_at"].take();
        }
        items
    }

    /// Returns the counters of accounts with addresses.
    fn strict(&self) -> Vec<Value> {
        let counters = self.app.items(PASSWORD_ATTEMPTS, "").into_iter();
        counters.filter(|counter| !counter["last_attempt"].is_null()).collect()
    }

    /// Returns the failures of the only account with the only address that attempted it; 0 without a counter.
    fn strict_failures(&self) -> u64 {
        let counters = self.strict();
        assert!(counters.len() <= 1, "{counters:?}");
        counters.first().map_or(0, failures)
    }

    /// Ends every wait.
    fn let_waits_pass(&self) {
        self.block_until(1);
    }

    /// Blocks every account, with every address that has failures, until this time.
    fn block_until(&self, milliseconds: i64) {
        for counter in self.strict() {
            self.app.edit_item(PASSWORD_ATTEMPTS, key(&counter), |counter| {
                counter["blocked_until"] = json!({"N": milliseconds.to_string()});
            });
        }
    }

    /// Returns the hourly counters with this limit that belong to this endpoint.
    fn windows(&self, limit: u64) -> Vec<Value> {
        let calls = self.app.proxy.calls_of(self.endpoint.operation());
        let mut keys: Vec<String> = calls.iter().filter_map(|call| window(&call.body, limit)).collect();
        keys.sort();
        keys.dedup();
        keys.iter().filter_map(|key| self.app.item(PASSWORD_ATTEMPTS, key)).collect()
    }

    /// Returns the failures in the hourly counters with this limit.
    fn window_failures(&self, limit: u64) -> u64 {
        self.windows(limit).iter().map(failures).sum()
    }

    /// Sets the failures in this hour's counters with this limit.
    fn set_windows(&self, limit: u64, count: u64) {
        for counter in self.windows(limit) {
            self.app.edit_item(PASSWORD_ATTEMPTS, key(&counter), |counter| {
                counter["failures"] = json!({"N": count.to_string()});
            });
        }
    }

    /// Ends the hour: the counters of the next hour have other keys.
    fn let_the_hour_pass(&self) {
        for counter in [self.windows(ACCOUNT_LIMIT), self.windows(SOURCE_LIMIT)].concat() {
            self.app.delete_item(PASSWORD_ATTEMPTS, key(&counter));
        }
    }
}

fn login(email: &str, password: &str, source: &str) -> HttpRequest {
    post("/api/auth/login", &json!({"email": email, "password": password})).source_ip(source)
}

/// Returns the hourly counter with this limit that a request reads: an attempt reads its strict counter, the account's
/// and the address's.
fn window(request: &Value, limit: u64) -> Option<String> {
    let [_, account, source] = &request["RequestItems"][PASSWORD_ATTEMPTS]["Keys"].as_array()?[..] else {
        panic!("an attempt reads other counters: {request}");
    };
    Some(key(if limit == ACCOUNT_LIMIT { account } else { source }).to_owned())
}

fn key(counter: &Value) -> &str {
    counter["pk"]["S"].as_str().expect("a key")
}

fn failures(counter: &Value) -> u64 {
    number(counter, "failures").try_into().expect("a number that is not negative")
}

fn number(counter: &Value, attribute: &str) -> i64 {
    counter[attribute]["N"].as_str().and_then(|number| number.parse().ok()).expect("a number")
}

#[track_caller]
fn expect_blocked(response: &HttpResponse) {
    crate::expect::expect_problem(response, 429, "too_many_attempts");
    assert!(retry_after(response) >= 1);
}

fn retry_after(response: &HttpResponse) -> i64 {
    response.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("a number of seconds")
}

/// Returns all that a client sees of a refusal, without the id of the request and the seconds to wait.
fn seen(response: &HttpResponse) -> HttpResponse {
    let id = response.json()["request_id"].as_str().expect("an id").to_owned();
    let mut seen = HttpResponse { body: response.body.replace(&id, "[id]"), ..response.clone() };
    seen.headers.entry("retry-after".to_owned()).and_modify(|seconds| "[seconds]".clone_into(seconds));
    seen
}

/// Returns the time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "compares waits with the current time")]
fn now() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.expect("a time after 1970").as_millis().try_into().expect("a time in this era")
}

/// Returns the end of the hour, in milliseconds since 1970.
fn hours_end() -> i64 {
    (now() / 3_600_000 + 1) * 3_600_000
}

/// Waits if less than a minute of the hour is left. Hourly counters start again in the next hour, so a test of them
/// must not begin in the last minute of one.
pub async fn early_in_the_hour() {
    while hours_end() - now() < 60_000 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
