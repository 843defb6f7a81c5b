//! The environment variables of the functions.

use std::{env, fmt};

use crate::auth::{CounterKey, Hasher, TokenKey, TokenKeys, WeakKey};

/// The permitted costs of bcrypt. A cost below 10 hashes too quickly to be safe, and one above 15 takes seconds. Tests
/// run debug builds, which need quick hashes.
const MIN_COST: u32 = if cfg!(debug_assertions) { 4 } else { 10 };
const MAX_COST: u32 = 15;
const DEFAULT_COST: u32 = 12;

/// How many movies a user may have: the default, and the highest value.
const DEFAULT_MOVIES_PER_USER: u32 = 1_000;
const MAX_MOVIES_PER_USER: u32 = 1_000_000;

/// The variable with the key that signs tokens.
const CURRENT_KEY: &str = "JWT_SECRET_KEY";
/// The variable with the key that signed tokens before the last rotation.
const PREVIOUS_KEY: &str = "JWT_PREVIOUS_SECRET_KEY";
/// The value of a secret of a deployment that has no such key.
const NO_KEY: &str = "none";

/// A configuration error that keeps a function from starting, with the way to correct it.
#[derive(thiserror::Error)]
pub enum StartError {
    /// A required variable is not set.
    #[error("cannot start: set the environment variable {0}")]
    Missing(&'static str),
    /// A variable has an invalid value. The error never contains the value.
    #[error("cannot start: the environment variable {name} {problem}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What is wrong with the value, and what is valid.
        problem: String,
    },
}

/// Writes the same text as `Display`, because Rust prints the error that `main` returns with `Debug`.
impl fmt::Debug for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Returns the key that `JWT_SECRET_KEY` contains, and the previous one if `JWT_PREVIOUS_SECRET_KEY` contains one.
pub(super) fn token_keys() -> Result<TokenKeys, StartError> {
    let key = |name: &'static str, secret: String| TokenKey::new(&secret).map_err(|key| weak(name, key));
    let previous = text(PREVIOUS_KEY)?.filter(|secret| secret != NO_KEY);
    let previous = previous.map(|secret| key(PREVIOUS_KEY, secret)).transpose()?;
    Ok(TokenKeys::new(key(CURRENT_KEY, required(CURRENT_KEY)?)?, previous))
}

/// Returns the key of `JWT_SECRET_KEY` that derives the names of counters.
pub(super) fn counter_key() -> Result<CounterKey, StartError> {
    CounterKey::new(&required(CURRENT_KEY)?).map_err(|key| weak(CURRENT_KEY, key))
}

fn weak(name: &'static str, key: WeakKey) -> StartError {
    unusable(name, format!("{key}; set at least 32 random bytes, as text"))
}

/// Returns the hasher with the cost `BCRYPT_COST` and the ceiling `BCRYPT_COST_CEILING`. If the ceiling is not set, or 0 as
/// in the template, it is the cost.
pub fn hasher() -> Result<Hasher, StartError> {
    const CEILING: &str = "BCRYPT_COST_CEILING";
    let cost = number("BCRYPT_COST", MIN_COST, MAX_COST)?.unwrap_or(DEFAULT_COST);
    let is_cost = optional(CEILING).is_some_and(|text| text == "0");
    let ceiling = if is_cost { None } else { number(CEILING, cost, MAX_COST)? };
    Ok(Hasher::new(cost, ceiling.unwrap_or(cost)))
}

/// Returns how many movies a user may have: `MOVIES_PER_USER`, or 1,000 if it is not set.
pub fn movies_per_user() -> Result<u32, StartError> {
    let limit = number("MOVIES_PER_USER", 1, MAX_MOVIES_PER_USER)?;
    Ok(limit.unwrap_or(DEFAULT_MOVIES_PER_USER))
}

/// Returns the page that reset mails link to: `PASSWORD_RESET_URL`, if it is set.
pub fn password_reset_url() -> Result<Option<String>, StartError> {
    const NAME: &str = "PASSWORD_RESET_URL";
    let url = text(NAME)?;
    // Without TLS, a page could be changed on its way and take the token.
    let schemes =
        ["https://", "http://localhost:", "http://localhost/", "http://127.0.0.1:", "http://127.0.0.1/"];
    let usable = |url: &String| {
        schemes.iter().any(|scheme| url.starts_with(scheme))
            && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>".contains(&byte))
    };
    match url {
        Some(url) if !usable(&url) => {
            Err(unusable(NAME, "must be an https URL without a fragment".to_owned()))
        }
        url => Ok(url),
    }
}

/// Returns the number in a variable if it is set. A value that is not a number from `lowest` to `highest` is an error.
fn number(name: &'static str, lowest: u32, highest: u32) -> Result<Option<u32>, StartError> {
    let Some(text) = text(name)? else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (lowest..=highest).contains(number));
    number.map(Some).ok_or_else(|| unusable(name, format!("must be a number from {lowest} to {highest}")))
}

/// Returns the value of a variable if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the only place that reads the environment")]
pub(super) fn text(name: &'static str) -> Result<Option<String>, StartError> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(unusable(name, "is not UTF-8".to_owned())),
    }
}

/// Returns the value of a variable that a function can start without, whatever its value is.
pub(super) fn optional(name: &'static str) -> Option<String> {
    text(name).ok().flatten()
}

/// Returns the value of a variable that must be set.
pub(super) fn required(name: &'static str) -> Result<String, StartError> {
    text(name)?.ok_or(StartError::Missing(name))
}

pub(super) fn unusable(name: &'static str, problem: String) -> StartError {
    StartError::Unusable { name, problem }
}
