//! Setting a new password with a reset token.
//!
//! 1. **Find** the token by its hash, before anything is hashed, so that a request without a token costs little. Refuse it
//!    if it is unknown or expired, or if the session epoch for which it was issued has ended.
//! 2. **Complete** the reset in one transaction, which uses up the token: replace the password, end every session, and add
//!    the mail that tells the owner. It also deletes the failures that the client's earlier guesses have recorded, so that
//!    they do not delay the next login.

use super::throttle::Throttle;
use crate::{
    model::{
        CanonicalEmail, Clock, IdSource, Mail, PasswordHash, ResetTokenHash, Session, SubmittedResetToken,
    },
    store::{
        EmailOfUser, Outbox, PasswordAttempts, PasswordResetOutcome, PasswordResetWrite, PasswordResets,
        SessionFault, StoreError, Users,
    },
    telemetry,
};

/// The reason why a reset token is refused. Clients get the same text for all reasons; the log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetTokenFault {
    /// The text is not 256 bits in base64url.
    Malformed,
    /// The token was never issued, or it is used or removed.
    Unknown,
    /// The token has expired.
    Expired,
    /// The user does not exist, or the account is being deleted.
    UserGone,
    /// The user's session epoch was incremented since the token was issued.
    Revoked,
}

impl From<SessionFault> for ResetTokenFault {
    fn from(fault: SessionFault) -> Self {
        match fault {
            SessionFault::UserGone => Self::UserGone,
            SessionFault::Revoked => Self::Revoked,
        }
    }
}

impl ResetTokenFault {
    /// Returns the name of the reason in the security log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::UserGone => "user_gone",
            Self::Revoked => "revoked",
        }
    }
}

/// A reset token that was refused, or a reset that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PasswordResetError {
    /// The token is not valid.
    #[error("the reset token is not valid: {}", .0.name())]
    InvalidToken(ResetTokenFault),
    /// The token or the user could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ResetTokenFault> for PasswordResetError {
    fn from(fault: ResetTokenFault) -> Self {
        Self::InvalidToken(fault)
    }
}

/// Sets new passwords with reset tokens.
#[derive(Debug)]
pub struct PasswordReset {
    /// The users.
    pub users: Users,
    /// The tokens.
    pub resets: PasswordResets,
    /// The mails to the owners.
    pub outbox: Outbox,
    /// The counters of failed logins.
    pub attempts: PasswordAttempts,
    /// The names of these counters.
    pub logins: Throttle,
    /// The clock that is compared with the expiry of a token.
    pub clock: Clock,
    /// The source of the ids of mails.
    pub ids: IdSource,
}

/// A reset whose token is valid.
#[derive(Debug)]
pub struct AdmittedReset {
    /// The owner's canonical email, which the new password must not repeat.
    pub email: CanonicalEmail,
    token: ResetTokenHash,
    session: Session,
}

impl PasswordReset {
    /// Takes step 1.
    pub async fn find(&self, submitted: &SubmittedResetToken) -> Result<AdmittedReset, PasswordResetError> {
        let token = submitted.hash().ok_or(ResetTokenFault::Malformed)?;
        let reset = self.resets.find(&token).await?.ok_or(ResetTokenFault::Unknown)?;
        telemetry::identify(reset.user_id);
        if reset.expires_at <= self.clock.now() {
            return Err(ResetTokenFault::Expired.into());
        }
        let session = reset.session();
        let user = self.users.find_by_session(session).await?;
        let EmailOfUser { email } = user.map_err(ResetTokenFault::from)?;
        Ok(AdmittedReset { email, token, session })
    }

    /// Takes step 2. The client's address `source` and the email identify the counter of failed logins.
    pub async fn complete(
        &self,
        admitted: AdmittedReset,
        new_hash: &PasswordHash,
        source: &str,
    ) -> Result<(), PasswordResetError> {
        let AdmittedReset { email, token, session } = admitted;
        let login_counter = &self.logins.strict_counter(email.as_str(), source);
        let notice = &self.outbox.notice(Mail::notice(self.ids.next_id(), email, self.clock.now()));
        let write = PasswordResetWrite { session, new_hash, token: &token, notice, login_counter };
        match self.users.reset_password(&write, &self.resets, &self.attempts).await? {
            PasswordResetOutcome::Reset => Ok(()),
            PasswordResetOutcome::TokenUsed => Err(ResetTokenFault::Unknown.into()),
            PasswordResetOutcome::SessionEnded(fault) => Err(ResetTokenFault::from(fault).into()),
        }
    }
}
