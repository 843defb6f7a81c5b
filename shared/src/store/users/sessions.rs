//! Changing a user: their password, and the epoch of their sessions.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use uuid::Uuid;

use super::{Status, Users};
use crate::{
    auth::password::PasswordHash,
    store::{
        failure::{StoreError, failed_condition},
        item::Item,
        keys,
    },
};

/// What came of ending a user's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutOutcome {
    /// Every token issued so far is dead.
    LoggedOut,
    /// The user is gone or leaving.
    UserGone,
}

/// What came of changing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChangeOutcome {
    /// The new password counts, and every earlier token is dead.
    Changed {
        /// The epoch of the sessions that begin now.
        session_epoch: u64,
    },
    /// The password or the sessions were changed by somebody else meanwhile, or the user is gone or leaving.
    SessionEnded,
}

impl Users {
    /// Ends every session of a user that is of `epoch` or earlier.
    ///
    /// `UpdateItem`, on the condition that the user is active and of this epoch: repeated, it changes nothing more, and
    /// never ends a session that began afterwards. IAM: `UpdateItem`.
    pub async fn log_out(&self, id: Uuid, epoch: u64) -> Result<LogoutOutcome, StoreError> {
        let request = self.change_session(id, epoch).update_expression("SET session_epoch = :next_epoch");
        match send(request).await? {
            Condition::Held => Ok(LogoutOutcome::LoggedOut),
            Condition::Failed(Some(user)) if epoch_of(&user) > Some(epoch) => Ok(LogoutOutcome::LoggedOut),
            Condition::Failed(_) => Ok(LogoutOutcome::UserGone),
        }
    }

    /// Replaces a user's password, and ends every session of theirs that is of `epoch` or earlier.
    ///
    /// `UpdateItem`, on the condition that the user is active and of this epoch, which every change of a password moves.
    /// IAM: `UpdateItem`.
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
            // A hash has a salt of its own, so this one is here because an answer got lost and the SDK tried again.
            Condition::Failed(Some(user)) if has_hash(&user, new) => Ok(done),
            Condition::Failed(_) => Ok(PasswordChangeOutcome::SessionEnded),
        }
    }

    /// Replaces a hash by another of the same password, unless the password was changed meanwhile, or the user's other
    /// writes leave no room: then a later login does it.
    ///
    /// `UpdateItem`, on the condition that the user has the old hash. IAM: `UpdateItem`.
    pub async fn renew_hash(
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
            Err(error) => Err(error),
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

/// Whether the condition of an update held.
enum Condition {
    Held,
    /// It did not; the item as it is, if there is one.
    Failed(Option<Item>),
}

async fn send(request: UpdateItemFluentBuilder) -> Result<Condition, StoreError> {
    match request.send().await {
        Ok(_) => Ok(Condition::Held),
        Err(error) => failed_condition(error).map(Condition::Failed),
    }
}

/// The epoch of an active user.
fn epoch_of(user: &Item) -> Option<u64> {
    let active = *user.get("status")? == Status::Active.attribute();
    user.get("session_epoch")?.as_n().ok()?.parse().ok().filter(|_| active)
}

fn has_hash(user: &Item, hash: &PasswordHash) -> bool {
    user.get("password_hash")
        .and_then(|stored| stored.as_s().ok())
        .is_some_and(|stored| stored == hash.as_stored())
}
