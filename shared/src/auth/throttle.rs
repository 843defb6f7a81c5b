//! Limits on password attempts, applied before any hashing and equally to known and unknown emails.
//!
//! The conditional write that admits an attempt also records it as a failure in the strict counter, so a hundred concurrent
//! guesses from one address get no more attempts than a hundred sequential ones. If the password is correct, the record is
//! removed. The hourly windows count a failure only after the check, so attempts in flight do not see each other there.
//!
//! `login` and `change-password` have separate counters, so that strangers, who can use only `login`, never delay a
//! signed-in user.

use std::time::Duration;

use uuid::Uuid;

use super::counters::{CounterKey, hour, network, seconds_left_in_hour, window_expiry};
use crate::{
    model::{Clock, IdSource, Timestamp},
    store::{Consistency, CounterNames, Counters, PasswordAttempts, StoreError, StrictCounter},
};

/// The failures of one account from one address after which the next attempt has to wait.
const FAILURES_BEFORE_WAIT: u32 = 5;
/// The longest wait of one address for one account.
const MAX_WAIT: Duration = Duration::from_mins(15);
/// How long failures are remembered after the last wait that they caused.
const MEMORY: Duration = Duration::from_hours(24);

/// The failures per hour of one account from all addresses: high enough that a stranger cannot easily lock the owner out,
/// and low enough that guessing is hopeless.
const MAX_ACCOUNT_FAILURES: u32 = 100;
/// The failures per hour of one address for all accounts. Many users can share an address.
const MAX_SOURCE_FAILURES: u32 = 1_000;

/// The operation that checks a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordEndpoint {
    /// `login`, which needs no token.
    Login,
    /// `change-password`, which needs a token. A correct password costs two hashes there, and the route has no limit of its
    /// own, so the hourly windows count every attempt and not only failures.
    ChangePassword,
}

impl PasswordEndpoint {
    /// Returns the part of a counter's name that identifies the endpoint.
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::ChangePassword => "change-password",
        }
    }
}

/// The limits on password attempts at one endpoint.
#[derive(Debug)]
pub struct Throttle {
    endpoint: PasswordEndpoint,
    attempts: PasswordAttempts,
    key: CounterKey,
    clock: Clock,
    ids: IdSource,
}

/// An attempt that the limits block, or that could not be counted.
#[derive(Debug)]
pub(super) enum ThrottleError {
    TooManyAttempts {
        /// In seconds, at least 1.
        retry_after: i64,
    },
    Store(StoreError),
}

impl From<StoreError> for ThrottleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A password attempt whose counters were read.
#[derive(Debug)]
pub struct Attempt {
    names: CounterNames,
    /// The time of the read.
    now: Timestamp,
    seen: Counters,
}

/// An admitted attempt. It stays recorded as a failure in the strict counter unless it is settled as correct.
#[must_use]
pub(super) struct Admission<'a> {
    throttle: &'a Throttle,
    names: CounterNames,
}

impl Throttle {
    /// Counts the attempts at an endpoint in `attempts`, in counters with names of this key.
    #[must_use]
    pub fn new(
        endpoint: PasswordEndpoint,
        attempts: PasswordAttempts,
        key: CounterKey,
        clock: Clock,
        ids: IdSource,
    ) -> Self {
        Self { endpoint, attempts, key, clock, ids }
    }

    /// Returns the endpoint that is limited.
    pub(super) fn endpoint(&self) -> PasswordEndpoint {
        self.endpoint
    }

    /// Reads the counters of an attempt for an account from a source address.
    ///
    /// The read is eventually consistent, for half the price: a stale strict counter fails the condition of the write that
    /// admits the attempt, and a wait is confirmed by a consistent read.
    pub(super) async fn read(&self, account: &str, source: &str) -> Result<Attempt, StoreError> {
        let source = &*network(source);
        let names = CounterNames {
            strict: self.strict_counter(account, source),
            windows: [self.name(&["account", account]), self.name(&["source", source])],
        };
        let now = self.clock.now();
        let seen = self.attempts.find(&names, hour(now), Consistency::Eventual).await?;
        Ok(Attempt { names, now, seen })
    }

    /// Returns the name of the strict counter of an account's failures from a source address.
    pub(super) fn strict_counter(&self, account: &str, source: &str) -> String {
        self.name(&["account and source", account, &network(source)])
    }

    /// Admits a password attempt and records it as a failure, or returns after how many seconds the next one is admitted.
    ///
    /// 1. If a counter blocks the attempt, read the counters again, consistently. If one still does, write nothing.
    /// 2. Record the failure in the strict counter, on the condition that no concurrent attempt has changed it; if one has,
    ///    read the counters again.
    pub(super) async fn admit(&self, attempt: Attempt) -> Result<Admission<'_>, ThrottleError> {
        let Attempt { names, now, mut seen } = attempt;
        let read_again = || self.attempts.find(&names, hour(now), Consistency::Strong);
        if failures_so_far(&seen, now).is_err() {
            seen = read_again().await?;
        }
        let id = self.ids.next_id();
        loop {
            let failures = failures_so_far(&seen, now)?.saturating_add(1);
            let next = after_failure(failures, id, self.clock);
            // The loop ends, because after a few attempts one of them causes a wait for all others.
            if self.attempts.replace(&names.strict, seen.strict.as_ref(), &next).await? {
                return Ok(Admission { throttle: self, names });
            }
            seen = read_again().await?;
        }
    }

    fn name(&self, parts: &[&str]) -> String {
        self.key.name(&[&[self.endpoint.name()], parts].concat())
    }
}

impl Admission<'_> {
    /// Ends an attempt whose password was checked. A correct password deletes the failures of this account from this
    /// address. A wrong one, and at `change-password` every one, counts in the hourly windows.
    pub(super) async fn settle(self, is_correct: bool) -> Result<(), StoreError> {
        let Self { throttle: Throttle { endpoint, attempts, clock, .. }, names } = self;
        let clear = async { if is_correct { attempts.clear(&names.strict).await } else { Ok(()) } };
        let count = async {
            if is_correct && *endpoint == PasswordEndpoint::Login {
                return Ok(());
            }
            let now = clock.now();
            let [account, source] = &names.windows;
            let count_up = |window| attempts.count_up(window, hour(now), window_expiry(now));
            tokio::try_join!(count_up(account), count_up(source)).map(|_| ())
        };
        // Boxed, because the future contains several requests to DynamoDB.
        Box::pin(async { tokio::try_join!(clear, count) }).await.map(|_| ())
    }
}

/// Returns the counter with this many failures, the last of which happened now.
fn after_failure(failures: u32, attempt: Uuid, clock: Clock) -> StrictCounter {
    // The wait begins when the failure is written and not when the attempt arrived. Concurrent attempts are therefore
    // blocked however slow the writes are: for none of them is the wait over already.
    let (now, wait) = (clock.now(), wait_after(failures));
    // While failures cause no wait, concurrent attempts are not blocked either.
    let blocked_until = if wait.is_zero() { Timestamp::EPOCH } else { now + wait };
    StrictCounter { failures, blocked_until, expires_at: now + wait + MEMORY, last_attempt: attempt }
}

/// Returns the number of remembered failures, or an error if the next attempt has to wait.
fn failures_so_far(seen: &Counters, now: Timestamp) -> Result<u32, ThrottleError> {
    let strict = seen.strict.as_ref().filter(|counter| counter.expires_at > now);
    if let Some(counter) = strict.filter(|counter| counter.blocked_until > now) {
        let milliseconds = counter.blocked_until.unix_milliseconds() - now.unix_milliseconds();
        return Err(too_many((milliseconds + 999) / 1_000));
    }
    let [account, source] = seen.windows;
    if account >= MAX_ACCOUNT_FAILURES || source >= MAX_SOURCE_FAILURES {
        return Err(too_many(seconds_left_in_hour(now)));
    }
    Ok(strict.map_or(0, |counter| counter.failures))
}

/// Returns the wait after this many failures: 1 s after five, doubled with each further failure, at most 15 minutes.
fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(FAILURES_BEFORE_WAIT) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(2_u64.saturating_pow(more)).min(MAX_WAIT),
    }
}

fn too_many(seconds: i64) -> ThrottleError {
    ThrottleError::TooManyAttempts { retry_after: seconds.max(1) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{Counters, StrictCounter, ThrottleError, after_failure, failures_so_far, wait_after};
    use crate::model::{Clock, Timestamp};

    /// A time with 1,799 seconds of its hour left.
    fn now() -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(9_001)
    }

    /// Returns the failures so far with a strict counter of 3, or the seconds of a wait.
    fn failures(blocked_until: Timestamp, expires_at: Timestamp, windows: [u32; 2]) -> Result<u32, i64> {
        let strict =
            Some(StrictCounter { failures: 3, blocked_until, expires_at, last_attempt: Uuid::nil() });
        failures_so_far(&Counters { strict, windows }, now()).map_err(|error| match error {
            ThrottleError::TooManyAttempts { retry_after } => retry_after,
            ThrottleError::Store(error) => panic!("{error:?}"),
        })
    }

    #[test]
    fn a_wait_is_rounded_up_to_seconds_and_ends_in_time() {
        let expires_at = now() + Duration::from_hours(24);
        for (milliseconds, expected) in
            [(0, Ok(3)), (1, Err(1)), (1_000, Err(1)), (1_001, Err(2)), (60_000, Err(60))]
        {
            let blocked_until = now() + Duration::from_millis(milliseconds);
            assert_eq!(failures(blocked_until, expires_at, [0, 0]), expected, "{milliseconds}");
        }
    }

    #[test]
    fn failures_are_forgotten_when_their_counter_expires() {
        assert_eq!(failures(Timestamp::EPOCH, now() + Duration::from_millis(1), [0, 0]), Ok(3));
        assert_eq!(failures(Timestamp::EPOCH, now(), [0, 0]), Ok(0));
        // Even if the wait has not ended.
        assert_eq!(failures(now() + Duration::from_secs(9), now(), [0, 0]), Ok(0));
    }

    #[test]
    fn each_window_blocks_at_its_limit_until_the_next_hour() {
        let failures = |windows| failures(Timestamp::EPOCH, now() + Duration::from_hours(1), windows);
        assert_eq!(failures([99, 999]), Ok(3));
        assert_eq!(failures([100, 0]), Err(1_799));
        assert_eq!(failures([0, 1_000]), Err(1_799));
    }

    #[test]
    fn the_wait_begins_when_the_failure_is_written() {
        let clock = Clock::new(|| Timestamp::EPOCH + Duration::from_hours(1));
        let counter = after_failure(6, Uuid::nil(), clock);
        assert_eq!(counter.blocked_until, clock.now() + Duration::from_secs(2));
        assert_eq!(counter.expires_at, counter.blocked_until + Duration::from_hours(24));
        assert_eq!(after_failure(4, Uuid::nil(), clock).blocked_until, Timestamp::EPOCH);
    }

    #[test]
    fn the_wait_doubles_after_five_failures_up_to_15_minutes() {
        let seconds: Vec<u64> = (0..=17).map(|failures| wait_after(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(wait_after(u32::MAX).as_secs(), 900);
    }
}
