//! Leaving: the mark on the user and the account deletion that `purge-account` works off.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use serde::Deserialize;
use uuid::Uuid;

use super::{Status, Users};
use crate::{
    model::{Timestamp, email::CanonicalEmail},
    store::{
        AccountDeletions,
        failure::{FailedConditions, StoreError},
        keys,
    },
};

/// What came of leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionRequest {
    /// No token of the user works and no login succeeds any more. Their movies are about to go.
    Accepted,
    /// The user is gone or leaving already, or has ended the session meanwhile.
    SessionEnded,
}

/// Where a leaving user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionStep {
    /// User, email claim and account deletion are gone; the email is free.
    Finished,
    /// So many movies are still counted at them.
    MoviesLeft(u64),
}

#[derive(Deserialize)]
struct DeletingUserItem {
    status: Status,
    email_key: String,
    movie_count: u64,
}

impl Users {
    /// Marks a user as leaving, ends their sessions, and leaves an account deletion for the purge.
    ///
    /// `TransactWriteItems`: update the user, only if active and of this epoch; put the account deletion. IAM: `UpdateItem`;
    /// `PutItem` on the account deletions' table.
    pub async fn request_deletion(
        &self,
        id: Uuid,
        epoch: u64,
        now: Timestamp,
        account_deletions: &AccountDeletions,
    ) -> Result<DeletionRequest, StoreError> {
        let update = self
            .update_in_transaction(id)
            .update_expression("SET #status = :deleting, session_epoch = :next_epoch")
            .condition_expression("#status = :active AND session_epoch = :epoch")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", Status::Active.attribute())
            .expression_attribute_values(":deleting", Status::Deleting.attribute())
            .expression_attribute_values(":epoch", AttributeValue::N(epoch.to_string()))
            .expression_attribute_values(":next_epoch", AttributeValue::N((epoch + 1).to_string()))
            .build()?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(account_deletions.put(id, now)?);
        let Err(error) = request.send().await else { return Ok(DeletionRequest::Accepted) };
        let failed = FailedConditions::of(error, &[0, 1])?;
        if failed.at(0).is_some() {
            return Ok(DeletionRequest::SessionEnded);
        }
        Err(StoreError::Corrupt {
            key: keys::user(id),
            problem: "an active user has an account deletion".to_owned(),
        })
    }

    /// Deletes a leaving user who has no movie left, with the claim to their email and their account deletion.
    ///
    /// Consistent `GetItem`, then `TransactWriteItems`: delete the user, only if leaving and without movies; delete the
    /// claim, only if it is theirs; delete the account deletion. IAM: `GetItem`, `DeleteItem`; `DeleteItem` on the account deletions'
    /// table.
    pub async fn finish_deletion(
        &self,
        id: Uuid,
        account_deletions: &AccountDeletions,
    ) -> Result<DeletionStep, StoreError> {
        let corrupt =
            |problem: &str| StoreError::Corrupt { key: keys::user(id), problem: problem.to_owned() };
        let user: Option<DeletingUserItem> =
            self.read(keys::user(id), "pk, #status, email_key, movie_count").await?;
        let Some(user) = user else { return self.ended_by_another_run(id, account_deletions).await };
        if user.status != Status::Deleting {
            return Err(corrupt("an account deletion is of a user who stays"));
        }
        if user.movie_count > 0 {
            return Ok(DeletionStep::MoviesLeft(user.movie_count));
        }
        let user_delete = Delete::builder()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(keys::user(id)))
            .condition_expression("#status = :deleting AND movie_count = :none")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", Status::Deleting.attribute())
            .expression_attribute_values(":none", AttributeValue::N("0".to_owned()))
            .build()?;
        let claim_delete = Delete::builder()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(keys::email(&CanonicalEmail::of(&user.email_key))))
            .condition_expression("user_id = :id")
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .build()?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().delete(user_delete).build())
            .transact_items(TransactWriteItem::builder().delete(claim_delete).build())
            .transact_items(account_deletions.delete(id)?);
        let Err(error) = request.send().await else { return Ok(DeletionStep::Finished) };
        FailedConditions::of(error, &[])?;
        self.ended_by_another_run(id, account_deletions).await
    }

    /// User, claim and account deletion go together: if the account deletion is gone, too, another run was quicker.
    async fn ended_by_another_run(
        &self,
        id: Uuid,
        account_deletions: &AccountDeletions,
    ) -> Result<DeletionStep, StoreError> {
        if account_deletions.contains(id).await? {
            let problem = "the user or the email claim of an account deletion is not theirs".to_owned();
            return Err(StoreError::Corrupt { key: keys::user(id), problem });
        }
        Ok(DeletionStep::Finished)
    }
}
