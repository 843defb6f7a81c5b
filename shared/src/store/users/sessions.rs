//! Ending a user's sessions, and changing the password.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use uuid::Uuid;

use super::{Status, Users};
use crate::{
    model::PasswordHash,
    store::{
        failure::{StoreError, failed_condition},
        item::Item,
        keys,
    },
};

/// The outcome of a logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutOutcome {
    /// Every token issued so far is revoked.
    LoggedOut,
    /// The user does not exist, or the account is being deleted.
    UserGone,
}

/// The outcome of changing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChangeOutcome {
    /// The new password is set, and every earlier token is revoked.
    Changed {
        /// The epoch of the sessions from now on.
        session_epoch: u64,
    },
    /// Another request has changed the password or ended the sessions, the user does not exist, or the account is being
    /// deleted.
    SessionEnded,
}

impl Users {
    /// Ends every session of a user with this epoch or an earlier one.
    ///
    /// `UpdateItem`, on the condition that the user is active and of this epoch. A repetition changes nothing, so it never
    /// ends a session that began afterwards. IAM: `UpdateItem`.
    pub async fn log_out(&self, id: Uuid, epoch: u64) -> Result<LogoutOutcome, StoreError> {
        let request = self.change_session(id, epoch).update_expression("SET session_epoch = :next_epoch");
        match send(request).await? {
            Condition::Held => Ok(LogoutOutcome::LoggedOut),
            Condition::Failed(Some(user)) if epoch_of(&user) > Some(epoch) => Ok(LogoutOutcome::LoggedOut),
            Condition::Failed(_) => Ok(LogoutOutcome::UserGone),
        }
    }

    /// Replaces a user's password, and ends every session with this epoch or an earlier one.
    ///
    /// `UpdateItem`, on the condition that the user is active and of this epoch, which every change of the password
    /// increments. IAM: `UpdateItem`.
    pub async fn change_password(
        &self,
        id: Uuid,
        epoch: u64,
        new: &PasswordHash,
    ) -> Result<PasswordChangeOutcome, StoreError> {
        let request = self
            .change_session(id, epoch)
            .update_expression("SET password_hash = :new_hash, session_epoch = :next_epoch")
            .expression_attribute_values(":new_hash", AttributeValue::S(new.as_stored().to_owned()));
        let done = PasswordChangeOutcome::Changed { session_epoch: epoch + 1 };
        match send(request).await? {
            Condition::Held => Ok(done),
            // Every hash has its own salt. If the user has this one, the SDK has retried an update whose response was lost.
            Condition::Failed(Some(user)) if has_hash(&user, new) => Ok(done),
            Condition::Failed(_) => Ok(PasswordChangeOutcome::SessionEnded),
        }
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
            .expression_attribute_values(":new_hash", AttributeValue::S(new.as_stored().to_owned()))
            .expression_attribute_values(":old_hash", AttributeValue::S(old.as_stored().to_owned()));
        match send(request).await {
            Ok(_) | Err(StoreError::Contended { .. }) => Ok(()),
            Err(
                error @ (StoreError::Unavailable { .. }
                | StoreError::Refused { .. }
                | StoreError::Corrupt { .. }),
            ) => Err(error),
        }
    }

    fn update(&self, id: Uuid) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(keys::user(id)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn change_session(&self, id: Uuid, epoch: u64) -> UpdateItemFluentBuilder {
        self.update(id)
            .condition_expression("#status = :active AND session_epoch = :epoch")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", Status::Active.attribute())
            .expression_attribute_values(":epoch", AttributeValue::N(epoch.to_string()))
            .expression_attribute_values(":next_epoch", AttributeValue::N((epoch + 1).to_string()))
    }
}

/// The result of the condition of an update.
enum Condition {
    Held,
    /// The condition failed. The current item, if there is one.
    Failed(Option<Item>),
}

async fn send(request: UpdateItemFluentBuilder) -> Result<Condition, StoreError> {
    match request.send().await {
        Ok(_) => Ok(Condition::Held),
        Err(error) => failed_condition(error).map(Condition::Failed),
    }
}

/// Returns the session epoch of an active user.
fn epoch_of(user: &Item) -> Option<u64> {
    let active = *user.get("status")? == Status::Active.attribute();
    user.get("session_epoch")?.as_n().ok()?.parse().ok().filter(|_| active)
}

fn has_hash(user: &Item, hash: &PasswordHash) -> bool {
    user.get("password_hash")
        .and_then(|stored| stored.as_s().ok())
        .is_some_and(|stored| stored == hash.as_stored())
}
