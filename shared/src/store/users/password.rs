//! Replacing a user's password.

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{AttributeValue, TransactWriteItem},
};
use uuid::Uuid;

use super::{EmailAndHash, SessionFault, Users, sessions};
use crate::{
    model::{PasswordHash, ResetTokenHash, Session},
    store::{
        Notice, PasswordAttempts, PasswordResets,
        failure::{FailedConditions, StoreError, failed_condition},
    },
};

/// The positions of items in the transactions.
const USER: usize = 0;
const TOKEN: usize = 1;

/// Sets a new hash and ends every session.
const SET_PASSWORD: &str = "SET session_epoch = :next_epoch, password_hash = :new_hash";

/// The outcome of changing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChangeOutcome {
    /// The new password is set, and every earlier token is revoked.
    Changed {
        /// The epoch of the sessions from now on.
        session_epoch: u64,
    },
    /// The session was not current.
    SessionEnded(SessionFault),
}

/// What a password reset writes.
pub struct PasswordResetWrite<'a> {
    /// The user, and the epoch for which the token was issued.
    pub session: Session,
    /// The hash of the new password.
    pub new_hash: &'a PasswordHash,
    /// The token, which is used up.
    pub token: &'a ResetTokenHash,
    /// The mail that reports the change.
    pub notice: &'a Notice<'a>,
    /// The strict counter of failed logins that is cleared.
    pub login_counter: &'a str,
}

/// The outcome of a password reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordResetOutcome {
    /// The new password is set, and every earlier token is revoked.
    Reset,
    /// The sessions for which the token was issued have ended.
    SessionEnded(SessionFault),
    /// The token has been used.
    TokenUsed,
}

impl Users {
    /// Replaces a user's password and ends every session of the user.
    ///
    /// Without a notice, `UpdateItem`, on the condition that the session is current. If the condition fails, a consistent
    /// `GetItem` shows whether this request has succeeded before. With a notice, `TransactWriteItems`: update the user, on
    /// the same condition; put the notice. If the condition fails, a consistent `GetItem` shows why. IAM: `UpdateItem`,
    /// `GetItem`; `PutItem` on `Outbox`.
    pub async fn change_password(
        &self,
        session: Session,
        new: &PasswordHash,
        notice: Option<&Notice<'_>>,
    ) -> Result<PasswordChangeOutcome, StoreError> {
        if let Some(notice) = notice {
            return self.change_password_with(notice, session, new).await;
        }
        let request = self
            .end_sessions(session)
            .update_expression(SET_PASSWORD)
            .expression_attribute_values(":new_hash", attribute(new));
        let is_own = |user: &EmailAndHash| user.password_hash.as_stored() == new.as_stored();
        Ok(match self.send_on_condition(request, session, is_own).await? {
            Ok(()) => PasswordChangeOutcome::Changed { session_epoch: session.epoch + 1 },
            Err(fault) => PasswordChangeOutcome::SessionEnded(fault),
        })
    }

    /// Replaces the password of the user of a reset token, ends every session of the user, and uses up the token.
    ///
    /// `TransactWriteItems`: update the user, on the condition that the session epoch is the token's and the user is active;
    /// delete the token, on the condition that it exists; put the notice; delete the strict counter of failed logins. If
    /// the first condition fails, a consistent `GetItem` shows why. IAM: `UpdateItem`, `GetItem`; `DeleteItem` on
    /// `PasswordResets` and `PasswordAttempts`; `PutItem` on `Outbox`.
    pub async fn reset_password(
        &self,
        write: &PasswordResetWrite<'_>,
        resets: &PasswordResets,
        attempts: &PasswordAttempts,
    ) -> Result<PasswordResetOutcome, StoreError> {
        let request = self
            .client
            .transact_write_items()
            .transact_items(self.set_password(write.session, write.new_hash)?)
            .transact_items(resets.delete(write.token)?)
            .transact_items(write.notice.put()?)
            .transact_items(attempts.clear_in_transaction(write.login_counter)?);
        let Err(error) = request.send().await else { return Ok(PasswordResetOutcome::Reset) };
        let failed = FailedConditions::of(error, &[USER])?;
        if failed.at(TOKEN).is_some() {
            return Ok(PasswordResetOutcome::TokenUsed);
        }
        Ok(PasswordResetOutcome::SessionEnded(self.fault_of(write.session).await?))
    }

    /// Replaces a hash by another one of the same password. Does nothing if the password has changed, or if the update
    /// keeps conflicting with the user's other writes: a later login then replaces the hash.
    ///
    /// `UpdateItem`, on the condition that the user has the old hash. IAM: `UpdateItem`.
    pub async fn replace_hash(
        &self,
        id: Uuid,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        let request = self
            .update(id)
            .update_expression("SET password_hash = :new_hash")
            .condition_expression("password_hash = :old_hash")
            .expression_attribute_values(":new_hash", attribute(new))
            .expression_attribute_values(":old_hash", attribute(old));
        let Err(error) = request.send().await else { return Ok(()) };
        match failed_condition(error) {
            Ok(_) | Err(StoreError::Contended { .. }) => Ok(()),
            Err(
                error @ (StoreError::Unavailable { .. }
                | StoreError::Refused { .. }
                | StoreError::Corrupt { .. }),
            ) => Err(error),
        }
    }

    async fn change_password_with(
        &self,
        notice: &Notice<'_>,
        session: Session,
        new: &PasswordHash,
    ) -> Result<PasswordChangeOutcome, StoreError> {
        let request = self
            .client
            .transact_write_items()
            .transact_items(self.set_password(session, new)?)
            .transact_items(notice.put()?);
        let Err(error) = request.send().await else {
            return Ok(PasswordChangeOutcome::Changed { session_epoch: session.epoch + 1 });
        };
        FailedConditions::of(error, &[USER])?;
        Ok(PasswordChangeOutcome::SessionEnded(self.fault_of(session).await?))
    }

    /// Returns the part of a transaction that sets a new hash and ends every session, on the condition that the session is
    /// current. IAM: `UpdateItem`.
    fn set_password(&self, session: Session, new: &PasswordHash) -> Result<TransactWriteItem, BuildError> {
        let update = self
            .update_in_transaction(session.user_id)
            .update_expression(SET_PASSWORD)
            .condition_expression(sessions::CURRENT)
            .expression_attribute_values(":next_epoch", sessions::number(session.epoch + 1))
            .expression_attribute_values(":new_hash", attribute(new));
        sessions::on_condition(update, session)
    }
}

fn attribute(hash: &PasswordHash) -> AttributeValue {
    AttributeValue::S(hash.as_stored().to_owned())
}
