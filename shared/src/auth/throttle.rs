//! Back-off for those who guess passwords: decided before any hashing, alike for emails that exist and that do not.
//!
//! A try is counted as a failure when it begins, in the same write that lets it begin, so that a hundred guesses at
//! once get no more tries than a hundred in a row. If it succeeds, the count is taken back.
//!
//! `login` and `change-password` have counters of their own, so that strangers, who can only log in, never make a
//! signed-in user wait.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    app,
    error::ApiError,
    model::{Timestamp, email::CanonicalEmail},
    store::{Backoff, PasswordAttempts, StoreError},
};

/// How many failures of one account from one address have no wait before the next try.
const FREE_FAILURES: u32 = 5;
/// The longest that one address has to wait with one account.
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// How long the failures are remembered after the last wait they caused.
const MEMORY: Duration = Duration::from_hours(24);

/// How many failures an hour one account may have from everywhere: so many that a stranger cannot easily shut the
/// owner out, and so few that guessing is hopeless.
const ACCOUNT_FAILURES: u32 = 100;
/// How many failures an hour one address may have with all accounts. Many people can share an address.
const SOURCE_FAILURES: u32 = 1_000;
/// The length of the windows in which these two are counted.
const WINDOW: Duration = Duration::from_hours(1);

/// The part of an IPv6 address that names a network: a customer gets at least a /64 and chooses the rest at will
/// (RFC 6177, RFC 4291 section 2.5.1).
const IPV6_NETWORK_BITS: u32 = 64;

/// The operation at which a password is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordEndpoint {
    /// `login`, which is open to strangers.
    Login,
    /// `change-password`, which needs a token first. A right password costs two hashes there and not one, and no route
    /// limit keeps them few, so the windows count every try and not only failures.
    ChangePassword,
}

impl PasswordEndpoint {
    /// The part of a counter's name that tells it from the other endpoint's.
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::ChangePassword => "change-password",
        }
    }
}

/// The limits on guessing at one endpoint, and the counters behind them.
#[derive(Clone)]
pub struct Throttle {
    endpoint: PasswordEndpoint,
    attempts: PasswordAttempts,
    /// The counters are named with it, so that the table shows neither emails nor addresses.
    key: Hmac<Sha256>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Throttle")
    }
}

/// A try that may go on. It stays counted as a failure unless it is said to have succeeded.
#[must_use]
pub struct Admission<'a> {
    endpoint: PasswordEndpoint,
    attempts: &'a PasswordAttempts,
    strict: String,
    windows: Vec<String>,
}

impl Throttle {
    /// Keeps the counters of an endpoint in `attempts`, under names that only those who have `secret` can make.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of every length")]
    pub fn new(endpoint: PasswordEndpoint, attempts: PasswordAttempts, secret: &[u8]) -> Self {
        Self {
            endpoint,
            attempts,
            key: Hmac::new_from_slice(secret).expect("HMAC takes keys of every length"),
        }
    }

    /// Lets a try of a password begin, or says when the next one may.
    pub async fn admit(&self, email: &CanonicalEmail, source: &str) -> Result<Admission<'_>, ApiError> {
        let now = app::now();
        let source = &*network(source);
        let strict = self.name(&["account and source", email.as_str(), source]);
        let seen = self.attempts.find(&strict).await?;
        failures_so_far(seen.as_ref(), now)?;
        let hour = now.unix_seconds().div_euclid(WINDOW.as_secs().cast_signed());
        let account = format!("{}#{hour}", self.name(&["account", email.as_str()]));
        let source = format!("{}#{hour}", self.name(&["source", source]));
        let until = now + WINDOW * 2;
        let (account_counted, source_counted) = tokio::try_join!(
            self.attempts.count_up(&account, ACCOUNT_FAILURES, until),
            self.attempts.count_up(&source, SOURCE_FAILURES, until),
        )?;
        let counted = [(account, account_counted), (source, source_counted)];
        let windows = counted.into_iter().filter_map(|(window, counted)| counted.then_some(window)).collect();
        let admission = Admission { endpoint: self.endpoint, attempts: &self.attempts, strict, windows };
        let refusal = if account_counted && source_counted {
            self.count(&admission.strict, seen, now).await.err()
        } else {
            let next_hour = (hour + 1) * WINDOW.as_secs().cast_signed();
            Some(too_many(next_hour - now.unix_seconds()))
        };
        match refusal {
            None => Ok(admission),
            Some(refusal) => {
                // A try that is turned away must not count.
                admission.take_back_windows().await?;
                Err(refusal)
            }
        }
    }

    /// Counts a failure of this account from this address, unless it has to wait by now.
    async fn count(&self, name: &str, mut seen: Option<Backoff>, now: Timestamp) -> Result<(), ApiError> {
        let attempt = app::new_id();
        loop {
            let failures = failures_so_far(seen.as_ref(), now)?.saturating_add(1);
            let next = after_failure(failures, attempt);
            // Whoever else tries at this moment changes the counter, and then it is looked at again. After a few
            // rounds one of them makes all others wait, so this ends.
            if self.attempts.replace(name, seen.as_ref(), &next).await? {
                return Ok(());
            }
            seen = self.attempts.find(name).await?;
        }
    }

    /// A name for a counter, which tells nothing about whose it is.
    fn name(&self, parts: &[&str]) -> String {
        let mut mac = self.key.clone();
        for part in [self.endpoint.name()].iter().chain(parts) {
            // With its length before it, the end of one part cannot be mistaken for the beginning of the next.
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
    }
}

impl Admission<'_> {
    /// Forgives the failures of this account from this address: the password was right. What counts failures by the
    /// hour takes this try back; what counts tries keeps it.
    pub async fn succeeded(self) -> Result<(), StoreError> {
        let clear = self.attempts.clear(&self.strict);
        match self.endpoint {
            PasswordEndpoint::Login => tokio::try_join!(clear, self.take_back_windows()).map(|_| ()),
            PasswordEndpoint::ChangePassword => clear.await,
        }
    }

    async fn take_back_windows(&self) -> Result<(), StoreError> {
        future::try_join_all(self.windows.iter().map(|window| self.attempts.count_down(window))).await?;
        Ok(())
    }
}

/// Returns what stands for a source address in the names of counters: for IPv6 its network, for an IPv4-mapped address
/// the IPv4 address, and for a text that is no address the text itself.
fn network(source: &str) -> Cow<'_, str> {
    match source.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string().into(),
        Ok(IpAddr::V6(address)) => {
            let network = address.to_bits() & (u128::MAX << (Ipv6Addr::BITS - IPV6_NETWORK_BITS));
            format!("{}/{IPV6_NETWORK_BITS}", Ipv6Addr::from_bits(network)).into()
        }
        Err(_) => source.into(),
    }
}

/// How an account stands with an address after so many failures, the last of them now.
fn after_failure(failures: u32, attempt: Uuid) -> Backoff {
    // The wait begins when the failure is written. So those who came at the same time are turned away however slow the
    // writes are: none of them finds that the wait is over already.
    let (now, wait) = (app::now(), wait_after(failures));
    // And while failures are free, nobody who came at the same time is turned away.
    let blocked_until = if wait.is_zero() { Timestamp::EPOCH } else { now + wait };
    Backoff { failures, blocked_until, expires_at: now + wait + MEMORY, attempt }
}

/// How many failures are remembered, unless the next try has to wait.
fn failures_so_far(seen: Option<&Backoff>, now: Timestamp) -> Result<u32, ApiError> {
    match seen.filter(|backoff| backoff.expires_at > now) {
        Some(backoff) if backoff.blocked_until > now => {
            let milliseconds = backoff.blocked_until.unix_milliseconds() - now.unix_milliseconds();
            Err(too_many((milliseconds + 999) / 1_000))
        }
        Some(backoff) => Ok(backoff.failures),
        None => Ok(0),
    }
}

/// How long to wait after so many failures: 1 s after five, twice as long after each further one, at most 15 minutes.
fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE_FAILURES) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(2_u64.saturating_pow(more)).min(LONGEST_WAIT),
    }
}

fn too_many(seconds: i64) -> ApiError {
    ApiError::TooManyAttempts { retry_after: seconds.max(1) }
}

#[cfg(test)]
mod tests {
    use super::{network, wait_after};

    #[test]
    fn the_wait_doubles_after_five_failures_up_to_fifteen_minutes() {
        let seconds: Vec<u64> = (0..=17).map(|failures| wait_after(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(wait_after(u32::MAX).as_secs(), 900);
    }

    #[test]
    fn ipv6_addresses_of_one_64_are_one_source() {
        for (source, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::66", "2001:db8::/64"),
            ("2001:0DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
            ("2001:db8:0:1::", "2001:db8:0:1::/64"),
            ("2001:db8:0:8000:1:2:3:4", "2001:db8:0:8000::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:c000:207", "192.0.2.7"),
            ("::1", "::/64"),
            ("", ""),
            ("unknown", "unknown"),
            ("192.0.2.07", "192.0.2.07"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("2001:db8::1%eth0", "2001:db8::1%eth0"),
        ] {
            assert_eq!(network(source), expected, "{source}");
        }
    }
}
