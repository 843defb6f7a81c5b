//! Limits on password resets: how many requests one source address may send, and how many mails one account gets.
//!
//! Both are exact, even for concurrent requests: the write that counts has the condition that the limit is not reached.

use uuid::Uuid;

use super::counters::{CounterKey, hour, network, seconds_left_in_hour, window_expiry};
use crate::{
    model::{Clock, Timestamp},
    store::{LimitedWindow, PasswordAttempts, StoreError},
};

/// The requests per hour from one source address. Many users can share an address.
const MAX_REQUESTS: u32 = 20;
/// The mails per hour to one account: enough for an owner whose mail got lost, and too few to flood a mailbox.
const MAX_MAILS: u32 = 3;

/// The limit on the requests of one source address.
#[derive(Debug)]
pub struct ResetRequestLimit {
    attempts: PasswordAttempts,
    key: CounterKey,
    clock: Clock,
}

/// A request that the limit blocks, or that could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum ResetRequestError {
    /// The source address has sent too many requests in this hour.
    #[error("too many requests for a password reset")]
    TooManyRequests {
        /// The number of seconds after which the next request is admitted, at least 1.
        retry_after: i64,
    },
    /// The counter could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ResetRequestLimit {
    /// Counts the requests in `attempts`, in counters with names of this key.
    #[must_use]
    pub fn new(attempts: PasswordAttempts, key: CounterKey, clock: Clock) -> Self {
        Self { attempts, key, clock }
    }

    /// Counts a request from the client's address `source`, or returns after how many seconds the next one is admitted.
    pub async fn admit(&self, source: &str) -> Result<(), ResetRequestError> {
        let now = self.clock.now();
        let window = LimitedWindow {
            name: self.key.name(&["forgot-password", "source", &network(source)]),
            hour: hour(now),
            limit: MAX_REQUESTS,
            expires_at: window_expiry(now),
        };
        if self.attempts.count_below_limit(&window).await? {
            Ok(())
        } else {
            Err(ResetRequestError::TooManyRequests { retry_after: seconds_left_in_hour(now) })
        }
    }
}

/// Returns the window that limits the reset mails of an account. An id is not private, so its name needs no key.
#[must_use]
pub fn reset_mail_window(user_id: Uuid, now: Timestamp) -> LimitedWindow {
    let (hour, expires_at) = (hour(now), window_expiry(now));
    LimitedWindow { name: format!("reset mails#{user_id}"), hour, limit: MAX_MAILS, expires_at }
}
