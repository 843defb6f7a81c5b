//! The check of a submitted password, which `login` and `change-password` share.
//!
//! 1. **Admit**: record the attempt as a failure, with a conditional write, unless earlier failures block it.
//! 2. **Verify**: compare the password with the stored hash. Without a hash, hash as well, so that the response time does
//!    not reveal whether the email is known.
//! 3. **Revert**: if the password is correct, remove the recorded failure.
//!
//! The order is critical for security: an attempt that is recorded only after it failed lets a hundred concurrent guesses
//! pass, and a password that is verified before the attempt is admitted reveals the result of a blocked attempt. One
//! function therefore takes all steps.

use std::future::Future;

use super::{Hasher, HashingFailed, PasswordEndpoint, Throttle, throttle::ThrottleError};
use crate::{
    model::{CanonicalEmail, SubmittedPassword},
    store::{StoreError, StoredCredentials},
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

    /// Returns the credentials of the user whose password this is.
    ///
    /// `email` and the client's address `source` identify the counters. `lookup` reads the credentials, concurrently with
    /// step 1; it returns `None` if no user has the email.
    pub async fn verify(
        &self,
        email: &CanonicalEmail,
        source: &str,
        submitted: &SubmittedPassword,
        lookup: impl Future<Output = Result<Option<StoredCredentials>, StoreError>>,
    ) -> Result<StoredCredentials, PasswordCheckError> {
        let admit = async { Ok::<_, PasswordCheckError>(self.throttle.admit(email, source).await?) };
        let lookup = async { Ok(lookup.await?) };
        // Boxed, because the future contains several requests to DynamoDB.
        let (admission, credentials) = Box::pin(async { tokio::try_join!(admit, lookup) }).await?;
        if let Some(credentials) = &credentials {
            telemetry::identify(credentials.user_id);
        }
        let hash = credentials.as_ref().map(|credentials| &credentials.password_hash);
        let matches = self.hasher.verify(submitted, hash)?;
        match credentials.filter(|_| matches) {
            None => Err(PasswordCheckError::WrongPassword(self.throttle.endpoint())),
            Some(credentials) => {
                admission.revert().await?;
                Ok(credentials)
            }
        }
    }
}
