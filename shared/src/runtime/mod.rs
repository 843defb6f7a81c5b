//! What a function gets from the machine that it runs on: environment variables, the clock, randomness, logging, events of
//! streams, and the clients of DynamoDB and of the mail service. [`App`] wires them into the parts that a function asks for.
//!
//! Only this module reads the environment, the clock and randomness (bcrypt draws its own salts). The layers below take
//! values.

mod aws;
mod dynamodb;
mod environment;
mod https;
mod logging;
mod ses;
mod stream;
mod system;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use lambda_runtime::Context;

pub use environment::{StartError, hasher, movies_per_user, password_reset_url};
use environment::{counter_key, optional, required, token_keys};
pub use logging::start as start_logging;
pub use ses::{Letter, MailError, Mailer};
pub use stream::{BatchReport, StreamEvent, StreamRecord, serve_stream};
pub use system::new_reset_token;

use crate::{
    auth::{
        Hasher, Notices, PasswordCheck, PasswordEndpoint, PasswordReset, ResetRequestLimit, Sessions,
        Throttle,
    },
    model::{Clock, IdSource, Timestamp},
    store::{AccountDeletions, Movies, Outbox, PasswordAttempts, PasswordResets, Users},
    telemetry::{Reporter, ReporterSettings},
};

/// The system's clock.
pub const CLOCK: Clock = Clock::new(system::now);

/// A source of new `UUIDv7`s (RFC 9562 section 5.7), so that the ids of one process sort by time.
pub const IDS: IdSource = IdSource::new(system::new_id);

const OUTBOX_TABLE: &str = "OUTBOX_TABLE";

/// The time of an invocation whose deadline is not known.
const DEFAULT_TIME: Duration = Duration::from_secs(10);

/// The parts of a function. Each method reads only the environment variables of its part, so a function needs only the
/// variables of the parts that it uses.
#[derive(Debug)]
pub struct App {
    client: Client,
}

impl App {
    /// Starts logging, makes the DynamoDB client as the environment configures it, and opens its first connection if that
    /// is possible without delay.
    pub async fn from_env() -> Result<Self, StartError> {
        logging::start();
        Ok(Self { client: dynamodb::client().await? })
    }

    /// Returns the users, in the table `USERS_TABLE`.
    pub fn users(&self) -> Result<Users, StartError> {
        Ok(Users::new(self.client.clone(), required("USERS_TABLE")?))
    }

    /// Returns the movies, in the table `MOVIES_TABLE`.
    pub fn movies(&self) -> Result<Movies, StartError> {
        Ok(Movies::new(self.client.clone(), required("MOVIES_TABLE")?))
    }

    /// Returns the pending account deletions, in the table `ACCOUNT_DELETIONS_TABLE`.
    pub fn account_deletions(&self) -> Result<AccountDeletions, StartError> {
        Ok(AccountDeletions::new(self.client.clone(), required("ACCOUNT_DELETIONS_TABLE")?))
    }

    /// Returns the mails to be sent, in the table `OUTBOX_TABLE`.
    pub fn outbox(&self) -> Result<Outbox, StartError> {
        Ok(Outbox::new(self.client.clone(), required(OUTBOX_TABLE)?))
    }

    /// Returns the notices to owners, in the table `OUTBOX_TABLE`. Without this variable, the deployment sends no mails.
    #[must_use]
    pub fn notices(&self) -> Notices {
        let outbox = optional(OUTBOX_TABLE).map(|table| Outbox::new(self.client.clone(), table));
        Notices::new(outbox, CLOCK, IDS)
    }

    /// Returns the reset tokens, in the table `PASSWORD_RESETS_TABLE`.
    pub fn password_resets(&self) -> Result<PasswordResets, StartError> {
        Ok(PasswordResets::new(self.client.clone(), required("PASSWORD_RESETS_TABLE")?))
    }

    /// Returns the counters, in the table `PASSWORD_ATTEMPTS_TABLE`.
    pub fn password_attempts(&self) -> Result<PasswordAttempts, StartError> {
        Ok(PasswordAttempts::new(self.client.clone(), required("PASSWORD_ATTEMPTS_TABLE")?))
    }

    /// Returns the sessions, with the keys of `JWT_SECRET_KEY` and `JWT_PREVIOUS_SECRET_KEY`.
    pub fn sessions(&self) -> Result<Sessions, StartError> {
        Ok(Sessions::new(token_keys()?, self.users()?, CLOCK, IDS))
    }

    /// Returns the check of passwords at an endpoint, with counters in the table `PASSWORD_ATTEMPTS_TABLE`. `JWT_SECRET_KEY`
    /// derives the names of the counters, so a rotation of the key resets them.
    pub fn password_check(
        &self,
        endpoint: PasswordEndpoint,
        hasher: Hasher,
    ) -> Result<PasswordCheck, StartError> {
        Ok(PasswordCheck::new(self.throttle(endpoint)?, hasher))
    }

    /// Returns the limit on requests for a password reset, with counters as in [`App::password_check`].
    pub fn reset_request_limit(&self) -> Result<ResetRequestLimit, StartError> {
        Ok(ResetRequestLimit::new(self.password_attempts()?, counter_key()?, CLOCK))
    }

    /// Returns what sets new passwords with reset tokens.
    pub fn password_reset(&self) -> Result<PasswordReset, StartError> {
        Ok(PasswordReset {
            users: self.users()?,
            resets: self.password_resets()?,
            outbox: self.outbox()?,
            attempts: self.password_attempts()?,
            logins: self.throttle(PasswordEndpoint::Login)?,
            clock: CLOCK,
            ids: IDS,
        })
    }

    fn throttle(&self, endpoint: PasswordEndpoint) -> Result<Throttle, StartError> {
        Ok(Throttle::new(endpoint, self.password_attempts()?, counter_key()?, CLOCK, IDS))
    }
}

/// Returns the reporter of the function `operation`, for the deployment `STAGE` and the release `RELEASE`.
#[must_use]
pub fn reporter(operation: &'static str) -> Reporter {
    let stage = optional("STAGE").unwrap_or_else(|| "local".to_owned());
    let settings = ReporterSettings { stage, release: optional("RELEASE"), format: logging::format() };
    Reporter::new(operation, settings, CLOCK)
}

/// Returns the time at which Lambda ends an invocation. A deadline in the past, which `cargo lambda watch` passes, counts
/// as none; an invocation without a deadline has ten seconds.
#[must_use]
pub fn deadline(context: &Context, now: Timestamp) -> Timestamp {
    let given = i64::try_from(context.deadline).ok().and_then(Timestamp::from_unix_milliseconds);
    given.filter(|deadline| *deadline > now).unwrap_or(now + DEFAULT_TIME)
}

/// Returns the DynamoDB client, for a benchmark that compares the functions with it. No function has this feature.
#[cfg(feature = "bare-client")]
pub async fn bare_client() -> Result<Client, StartError> {
    dynamodb::client().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Context, DEFAULT_TIME, Timestamp, deadline};

    #[test]
    fn only_a_deadline_in_the_future_counts() {
        let now = Timestamp::EPOCH + Duration::from_secs(9_001);
        let mut context = Context::default();
        for (milliseconds, expected) in [
            (9_001_001, now + Duration::from_millis(1)),
            (9_001_000, now + DEFAULT_TIME),
            (9_000_999, now + DEFAULT_TIME),
            (0, now + DEFAULT_TIME),
            (u64::MAX, now + DEFAULT_TIME),
        ] {
            context.deadline = milliseconds;
            assert_eq!(deadline(&context, now), expected, "{milliseconds}");
        }
    }
}
