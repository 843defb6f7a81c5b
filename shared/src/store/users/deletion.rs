//! Deleting an account: the request, and the final step of carrying it out.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use serde::Deserialize;
use uuid::Uuid;

use super::{SessionFault, Status, Users, sessions};
use crate::{
    model::{CanonicalEmail, Session, Timestamp},
    store::{
        AccountDeletions,
        failure::{FailedConditions, StoreError},
        item, keys,
    },
};

/// The positions of items in the transaction of a request.
const USER: usize = 0;
const ACCOUNT_DELETION: usize = 1;

/// The outcome of requesting the deletion of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestDeletionOutcome {
    /// The deletion is requested. Every token of the user is revoked, and no login succeeds.
    Requested,
    /// The session was not current.
    SessionEnded(SessionFault),
}

/// The outcome of the final step of an account deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishDeletionOutcome {
    /// The user, the claim on the email and the account deletion are deleted; the email is free.
    Finished,
    /// The user's `movie_count` is still this high.
    MoviesLeft(u64),
}

#[derive(Deserialize)]
struct DeletingUserItem {
    status: Status,
    email_key: String,
    movie_count: u64,
}

impl Users {
    /// Requests the deletion of an account: sets the user's status to `deleting`, ends the user's sessions, and adds an
    /// account deletion, which triggers `purge-account`.
    ///
    /// `TransactWriteItems`: update the user, on the condition that the session is current; put the account deletion, on the
    /// condition that none is pending. If the first condition fails, a consistent `GetItem` shows why. IAM: `UpdateItem`,
    /// `GetItem`; `PutItem` on `AccountDeletions`.
    pub async fn request_deletion(
        &self,
        session: Session,
        now: Timestamp,
        deletions: &AccountDeletions,
    ) -> Result<RequestDeletionOutcome, StoreError> {
        let update = self
            .update_in_transaction(session.user_id)
            .update_expression("SET #status = :deleting, session_epoch = :next_epoch")
            .condition_expression(sessions::CURRENT)
            .expression_attribute_values(":deleting", Status::Deleting.attribute())
            .expression_attribute_values(":next_epoch", sessions::number(session.epoch + 1));
        let request = self
            .client
            .transact_write_items()
            .transact_items(sessions::on_condition(update, session)?)
            .transact_items(deletions.put(session.user_id, now)?);
        let Err(error) = request.send().await else { return Ok(RequestDeletionOutcome::Requested) };
        let failed = FailedConditions::of(error, &[USER, ACCOUNT_DELETION])?;
        if failed.at(USER).is_some() {
            return Ok(RequestDeletionOutcome::SessionEnded(self.fault_of(session).await?));
        }
        if failed.unsettled(USER) {
            // Another transaction is writing the user. It may be the cause of the other failed condition, too.
            return Err(StoreError::Contended { cause: "another transaction is writing the user".into() });
        }
        let problem = "an active user has an account deletion".to_owned();
        Err(StoreError::Corrupt { key: keys::user(session.user_id), problem })
    }

    /// Deletes a user whose account is being deleted and who has no movies left, with the claim on the email and the
    /// account deletion.
    ///
    /// Consistent `GetItem`, then `TransactWriteItems`: delete the user, on the condition that the status is `deleting` and
    /// `movie_count` is 0; delete the claim, on the condition that it is the user's; delete the account deletion, on the
    /// condition that it is pending. If a condition fails, a consistent `GetItem` of the account deletion. IAM: `GetItem`,
    /// `DeleteItem`; `GetItem` and `DeleteItem` on `AccountDeletions`.
    pub async fn finish_deletion(
        &self,
        id: Uuid,
        deletions: &AccountDeletions,
    ) -> Result<FinishDeletionOutcome, StoreError> {
        let corrupt =
            |problem: &str| StoreError::Corrupt { key: keys::user(id), problem: problem.to_owned() };
        let user: Option<DeletingUserItem> =
            self.read(keys::user(id), &["status", "email_key", "movie_count"]).await?;
        let Some(user) = user else { return self.finished_by_another_run(id, deletions).await };
        if user.status != Status::Deleting {
            return Err(corrupt("an account deletion belongs to an active user"));
        }
        if user.movie_count > 0 {
            return Ok(FinishDeletionOutcome::MoviesLeft(user.movie_count));
        }
        let user_delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::user(id))))
            .condition_expression("#status = :deleting AND movie_count = :none")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", Status::Deleting.attribute())
            .expression_attribute_values(":none", AttributeValue::N("0".to_owned()))
            .build()?;
        let email = CanonicalEmail::from_stored(user.email_key);
        let claim_delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::email(&email))))
            .condition_expression("user_id = :id")
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .build()?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().delete(user_delete).build())
            .transact_items(TransactWriteItem::builder().delete(claim_delete).build())
            .transact_items(deletions.delete(id)?);
        let Err(error) = request.send().await else { return Ok(FinishDeletionOutcome::Finished) };
        FailedConditions::of(error, &[])?;
        self.finished_by_another_run(id, deletions).await
    }

    /// Returns `Finished` if the account deletion does not exist. One transaction deletes the user, the claim and the
    /// account deletion, so another run has then finished it.
    async fn finished_by_another_run(
        &self,
        id: Uuid,
        deletions: &AccountDeletions,
    ) -> Result<FinishDeletionOutcome, StoreError> {
        if deletions.contains(id).await? {
            let problem = "the user or the email claim of an account deletion is not this user's".to_owned();
            return Err(StoreError::Corrupt { key: keys::user(id), problem });
        }
        Ok(FinishDeletionOutcome::Finished)
    }
}
