//! The check of a submitted password, which `login` and `change-password` share.
//!
//! 1. **Read** the counters of earlier failures.
//! 2. **Admit**: record the attempt as a failure, with a conditional write, unless earlier failures block it.
//! 3. **Verify**: compare the password with the stored hash. Without a hash, hash as well, so that the response time does
//!    not reveal whether the email is known.
//! 4. **Settle**: if the password is correct, remove the recorded failure; otherwise count the failure in the hourly
//!    windows.
//!
//! The order is critical for security: an attempt that is recorded only after it failed lets a hundred concurrent guesses
//! pass, and a password that is verified before the attempt is admitted reveals the result of a blocked attempt. The
//! functions here therefore take all steps, and each step needs the result of the one before it.

use std::future::Future;

use super::{
    AuthenticationError, Hasher, HashingFailed, PasswordEndpoint, Sessions, Throttle,
    throttle::{Admission, Attempt, ThrottleError},
};
use crate::{
    model::{CanonicalEmail, Session, SubmittedPassword},
    store::{StoreError, StoredCredentials, UserProjection},
    telemetry,
};

/// Checks submitted passwords at one endpoint.
#[derive(Debug)]
pub struct PasswordCheck {
    throttle: Throttle,
    hasher: Hasher,
}

/// A password that was refused, or that could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordCheckError {
    /// Earlier failures block the attempt.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// The number of seconds after which the next attempt is admitted, at least 1.
        retry_after: i64,
    },
    /// The password is wrong, or the email is unknown.
    #[error("the password is wrong")]
    WrongPassword(PasswordEndpoint),
    /// The hash could not be computed.
    #[error(transparent)]
    Hashing(#[from] HashingFailed),
    /// The counters or the user could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ThrottleError> for PasswordCheckError {
    fn from(error: ThrottleError) -> Self {
        match error {
            ThrottleError::TooManyAttempts { retry_after } => Self::TooManyAttempts { retry_after },
            ThrottleError::Store(error) => Self::Store(error),
        }
    }
}

impl PasswordCheck {
    /// Combines the limits on attempts with the comparison.
    #[must_use]
    pub fn new(throttle: Throttle, hasher: Hasher) -> Self {
        Self { throttle, hasher }
    }

    /// Returns the hasher, for new hashes.
    #[must_use]
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// Returns the credentials of the user who has this email, if the password is correct.
    ///
    /// `email` and the client's address `source` identify the counters. `lookup` reads the credentials, concurrently with
    /// steps 1 and 2; it returns `None` if no user has the email.
    pub async fn verify(
        &self,
        email: &CanonicalEmail,
        source: &str,
        submitted: &SubmittedPassword,
        lookup: impl Future<Output = Result<Option<StoredCredentials>, StoreError>>,
    ) -> Result<StoredCredentials, PasswordCheckError> {
        let admit = async {
            let attempt = self.throttle.read(email.as_str(), source).await?;
            Ok::<_, PasswordCheckError>(self.throttle.admit(attempt).await?)
        };
        let lookup = async { Ok(lookup.await?) };
        // Boxed, because the future contains several requests to DynamoDB.
        let (admission, credentials) = Box::pin(async { tokio::try_join!(admit, lookup) }).await?;
        self.decide(admission, submitted, credentials).await
    }

    /// Takes step 1 for a user who is signed in. Concurrently, returns attributes of the user, if the session is current.
    ///
    /// The user's id and the client's address `source` identify the counters.
    pub async fn attempt_in<Projection: UserProjection>(
        &self,
        session: Session,
        source: &str,
        sessions: &Sessions,
    ) -> Result<(Attempt, Projection), AuthenticationError> {
        let account = session.user_id.to_string();
        let read = async { Ok(self.throttle.read(&account, source).await?) };
        tokio::try_join!(read, sessions.confirm(session))
    }

    /// Takes steps 2 to 4 for a user who is signed in: returns an error unless the password is correct.
    pub async fn verify_attempt(
        &self,
        attempt: Attempt,
        submitted: &SubmittedPassword,
        stored: StoredCredentials,
    ) -> Result<(), PasswordCheckError> {
        let admission = self.throttle.admit(attempt).await?;
        self.decide(admission, submitted, Some(stored)).await.map(|_| ())
    }

    /// Takes steps 3 and 4.
    async fn decide(
        &self,
        admission: Admission<'_>,
        submitted: &SubmittedPassword,
        credentials: Option<StoredCredentials>,
    ) -> Result<StoredCredentials, PasswordCheckError> {
        if let Some(credentials) = &credentials {
            telemetry::identify(credentials.user_id);
        }
        let hash = credentials.as_ref().map(|credentials| &credentials.password_hash);
        let is_correct = self.hasher.verify(submitted, hash)?;
        admission.settle(is_correct).await?;
        let correct = credentials.filter(|_| is_correct);
        correct.ok_or(PasswordCheckError::WrongPassword(self.throttle.endpoint()))
    }
}
