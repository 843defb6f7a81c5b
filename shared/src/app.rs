//! The world outside: environment variables, the clock, randomness, and the DynamoDB client. The only module that
//! reads them.

mod dynamodb;

use std::{env, fmt, panic, time::Duration};

use aws_sdk_dynamodb::Client;
use lambda_http::{
    Context,
    tracing::{
        self, Level,
        subscriber::{self, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt},
    },
};
use uuid::Uuid;

use crate::{
    auth::{
        PasswordCheck,
        password::Hasher,
        session::Sessions,
        throttle::{PasswordEndpoint, Throttle},
        token::{TokenKey, TokenKeys},
    },
    model::Timestamp,
    store::{AccountDeletions, Movies, PasswordAttempts, Users},
};

/// What a function has where no deadline is known.
const USUAL_TIME: Duration = Duration::from_secs(10);

/// The costs that bcrypt may have. Hashing at less than 10 is too quick to be safe, and more than 15 takes seconds.
/// Tests, which run debug builds, need quick hashes.
const LOWEST_COST: u32 = if cfg!(debug_assertions) { 4 } else { 10 };
const HIGHEST_COST: u32 = 15;
const DEFAULT_COST: u32 = 12;

/// How many movies a user may have unless it is set, and the most that can be set.
const DEFAULT_MOVIES_PER_USER: u32 = 1_000;
const HIGHEST_MOVIES_PER_USER: u32 = 1_000_000;

/// The way to everything a function needs. Each part reads its own environment variables when it is asked for, so a
/// function needs only those it uses.
#[derive(Debug, Clone)]
pub struct App {
    client: Client,
}

/// A function that cannot start, and what to set so that it can.
#[derive(thiserror::Error)]
pub enum StartError {
    /// A variable that the function needs is not there.
    #[error("cannot start: set the environment variable {0}")]
    Missing(&'static str),
    /// A variable has a value that cannot be used. The value itself is never shown.
    #[error("cannot start: the environment variable {name} {problem}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
}

/// Rust shows the error that `main` returns with `Debug`; a person should read the same as in `Display`.
impl fmt::Debug for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl App {
    /// Starts logging, makes the DynamoDB client as the environment says, and connects it if that takes no time.
    pub async fn from_env() -> Result<Self, StartError> {
        start_logging();
        Ok(Self { client: dynamodb::client().await? })
    }

    /// The users, in the table that `USERS_TABLE` names.
    pub fn users(&self) -> Result<Users, StartError> {
        Ok(Users::new(self.client.clone(), required("USERS_TABLE")?))
    }

    /// The movies, in the table that `MOVIES_TABLE` names.
    pub fn movies(&self) -> Result<Movies, StartError> {
        Ok(Movies::new(self.client.clone(), required("MOVIES_TABLE")?))
    }

    /// The users who are leaving, in the table that `ACCOUNT_DELETIONS_TABLE` names.
    pub fn account_deletions(&self) -> Result<AccountDeletions, StartError> {
        Ok(AccountDeletions::new(self.client.clone(), required("ACCOUNT_DELETIONS_TABLE")?))
    }

    /// The check of tokens that [`token_keys`] signed.
    pub fn sessions(&self) -> Result<Sessions, StartError> {
        Ok(Sessions::new(token_keys()?, self.users()?))
    }

    /// The check of passwords at an endpoint, with counters of wrong ones in the table that `PASSWORD_ATTEMPTS_TABLE`
    /// names.
    pub fn password_check(&self, endpoint: PasswordEndpoint) -> Result<PasswordCheck, StartError> {
        let attempts = PasswordAttempts::new(self.client.clone(), required("PASSWORD_ATTEMPTS_TABLE")?);
        let throttle = Throttle::new(endpoint, attempts, required(CURRENT_KEY)?.as_bytes());
        Ok(PasswordCheck { throttle, hasher: hasher()? })
    }
}

const CURRENT_KEY: &str = "JWT_SECRET_KEY";
const PREVIOUS_KEY: &str = "JWT_PREVIOUS_SECRET_KEY";
/// Stands in the secret of a deployment where there is no key.
const NO_KEY: &str = "none";

/// The key that `JWT_SECRET_KEY` holds, and the one that it held before, if `JWT_PREVIOUS_SECRET_KEY` has one.
pub fn token_keys() -> Result<TokenKeys, StartError> {
    let key = |name: &'static str, secret: String| {
        TokenKey::new(&secret)
            .map_err(|weak| unusable(name, format!("{weak}; set at least 32 random bytes, as text")))
    };
    let previous = optional(PREVIOUS_KEY)?.filter(|secret| secret != NO_KEY);
    let previous = previous.map(|secret| key(PREVIOUS_KEY, secret)).transpose()?;
    Ok(TokenKeys::new(key(CURRENT_KEY, required(CURRENT_KEY)?)?, previous))
}

/// The password hashing that `BCRYPT_COST` asks for, with refusals at the price that `BCRYPT_COST_CEILING` asks for. Not
/// set, or 0 as in the template, the ceiling is the cost itself.
pub fn hasher() -> Result<Hasher, StartError> {
    const CEILING: &str = "BCRYPT_COST_CEILING";
    let cost = number("BCRYPT_COST", LOWEST_COST, HIGHEST_COST)?.unwrap_or(DEFAULT_COST);
    let is_cost = setting(CEILING).is_some_and(|text| text == "0");
    let ceiling = if is_cost { None } else { number(CEILING, cost, HIGHEST_COST)? };
    Ok(Hasher::new(cost, ceiling.unwrap_or(cost)))
}

/// How many movies a user may have, as `MOVIES_PER_USER` says: 1,000 unless set.
pub fn movies_per_user() -> Result<u32, StartError> {
    let limit = number("MOVIES_PER_USER", 1, HIGHEST_MOVIES_PER_USER)?;
    Ok(limit.unwrap_or(DEFAULT_MOVIES_PER_USER))
}

/// Returns the number that a variable holds, if it is set; one that is not from `lowest` to `highest` is an error.
fn number(name: &'static str, lowest: u32, highest: u32) -> Result<Option<u32>, StartError> {
    let Some(text) = optional(name)? else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (lowest..=highest).contains(number));
    number.map(Some).ok_or_else(|| unusable(name, format!("must be a number from {lowest} to {highest}")))
}

/// The time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
pub fn now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_milliseconds(milliseconds).unwrap_or(Timestamp::EPOCH)
}

/// When Lambda ends the call at hand. One in the past, such as `cargo lambda watch` gives, is none: then there are ten
/// seconds.
#[must_use]
pub fn deadline(context: &Context) -> Timestamp {
    let given = i64::try_from(context.deadline).ok().and_then(Timestamp::from_unix_milliseconds);
    given.filter(|deadline| *deadline > now()).unwrap_or_else(|| now() + USUAL_TIME)
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for CloudWatch.
    Json,
    /// For people.
    Text,
}

/// JSON where Lambda asks for it with `AWS_LAMBDA_LOG_FORMAT`, text otherwise.
#[must_use]
pub fn log_format() -> LogFormat {
    match setting("AWS_LAMBDA_LOG_FORMAT") {
        Some(format) if format.eq_ignore_ascii_case("json") => LogFormat::Json,
        _ => LogFormat::Text,
    }
}

/// Which deployment this is, by `STAGE`: it tells the metrics of one from those of another. `local` on a machine that
/// is nobody's stage.
#[must_use]
pub fn stage() -> String {
    setting("STAGE").unwrap_or_else(|| "local".to_owned())
}

/// Which release this is, by `RELEASE`, if anybody has said it.
#[must_use]
pub fn release() -> Option<String> {
    setting("RELEASE")
}

/// A new id: `UUIDv7` (RFC 9562 section 5.7), so that ids of one process sort by their time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where randomness comes from")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn optional(name: &'static str) -> Result<Option<String>, StartError> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(unusable(name, "is not UTF-8".to_owned())),
    }
}

/// A variable without which a function runs as well, whatever is wrong with it.
fn setting(name: &'static str) -> Option<String> {
    optional(name).ok().flatten()
}

fn required(name: &'static str) -> Result<String, StartError> {
    optional(name)?.ok_or(StartError::Missing(name))
}

fn unusable(name: &'static str, problem: String) -> StartError {
    StartError::Unusable { name, problem }
}

/// The client itself, for a benchmark that compares the functions with it. No function has this feature.
#[cfg(feature = "bare-client")]
pub async fn bare_client() -> Result<Client, StartError> {
    dynamodb::client().await
}

/// Logs to the standard output, at the level that `AWS_LAMBDA_LOG_LEVEL` names. Other crates only warn, because some
/// show whole requests when they are asked for more.
fn start_logging() {
    let level = setting("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    let targets = Targets::new()
        .with_default(Level::WARN)
        .with_target("shared", level)
        .with_target("purge_account", level);
    let registry = subscriber::registry().with(targets);
    // A line that cannot be written is lost. To tell of it on the standard error would panic where that is closed, too.
    let lines = subscriber::fmt::layer().log_internal_errors(false);
    match log_format() {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(lines).init();
        }
        LogFormat::Text => registry.with(lines.with_target(false).without_time().with_ansi(false)).init(),
    }
    // A panic's message can hold what a client sent, so CloudWatch gets its place only. Text is for the person at a
    // terminal, who sent the request.
    let shows_message = log_format() == LogFormat::Text;
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().filter(|_| shows_message);
        tracing::error!(place, message, "panic");
    }));
}
