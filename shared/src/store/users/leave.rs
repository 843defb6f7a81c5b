//! Leaving: the mark on the user and the departure that `purge-account` works off.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use serde::Deserialize;
use uuid::Uuid;

use super::{Status, Users};
use crate::{
    model::{Timestamp, email::CanonicalEmail},
    store::{
        Departures,
        failure::{FailedConditions, StoreError},
        keys,
    },
};

/// What came of leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// No token of the user works and no login succeeds any more. Their movies are about to go.
    Begun,
    /// The user is gone or leaving already, or has ended the session meanwhile.
    Outdated,
}

/// Where a leaving user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// User, email claim and departure are gone; the email is free.
    Done,
    /// So many movies are still counted at them.
    MoviesLeft(u64),
}

#[derive(Deserialize)]
struct LeavingItem {
    status: Status,
    email_key: String,
    movie_count: u64,
}

impl Users {
    /// Marks a user as leaving, ends their sessions, and leaves a departure for the purge.
    ///
    /// `TransactWriteItems`: update the user, only if active and of this epoch; put the departure. IAM: `UpdateItem`;
    /// `PutItem` on the departures' table.
    pub async fn leave(
        &self,
        id: Uuid,
        epoch: u64,
        now: Timestamp,
        departures: &Departures,
    ) -> Result<Leaving, StoreError> {
        let update = self
            .update_in_transaction(id)
            .update_expression("SET #status = :leaving, session_epoch = :next_epoch")
            .condition_expression("#status = :active AND session_epoch = :epoch")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", Status::Active.attribute())
            .expression_attribute_values(":leaving", Status::Leaving.attribute())
            .expression_attribute_values(":epoch", AttributeValue::N(epoch.to_string()))
            .expression_attribute_values(":next_epoch", AttributeValue::N((epoch + 1).to_string()))
            .build()?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(departures.put(id, now)?);
        let Err(error) = request.send().await else { return Ok(Leaving::Begun) };
        let failed = FailedConditions::of(error, &[0, 1])?;
        if failed.at(0).is_some() {
            return Ok(Leaving::Outdated);
        }
        Err(StoreError::Corrupt { key: keys::user(id), problem: "an active user has a departure".to_owned() })
    }

    /// Deletes a leaving user who has no movie left, with the claim to their email and their departure.
    ///
    /// Consistent `GetItem`, then `TransactWriteItems`: delete the user, only if leaving and without movies; delete the
    /// claim, only if it is theirs; delete the departure. IAM: `GetItem`, `DeleteItem`; `DeleteItem` on the departures'
    /// table.
    pub async fn finish_leaving(&self, id: Uuid, departures: &Departures) -> Result<Farewell, StoreError> {
        let corrupt =
            |problem: &str| StoreError::Corrupt { key: keys::user(id), problem: problem.to_owned() };
        let user: Option<LeavingItem> =
            self.read(keys::user(id), "pk, #status, email_key, movie_count").await?;
        let Some(user) = user else { return self.ended_by_another_run(id, departures).await };
        if user.status != Status::Leaving {
            return Err(corrupt("a departure is of a user who stays"));
        }
        if user.movie_count > 0 {
            return Ok(Farewell::MoviesLeft(user.movie_count));
        }
        let user_delete = Delete::builder()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(keys::user(id)))
            .condition_expression("#status = :leaving AND movie_count = :none")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":leaving", Status::Leaving.attribute())
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
            .transact_items(departures.delete(id)?);
        let Err(error) = request.send().await else { return Ok(Farewell::Done) };
        FailedConditions::of(error, &[])?;
        self.ended_by_another_run(id, departures).await
    }

    /// User, claim and departure go together: if the departure is gone, too, another run was quicker.
    async fn ended_by_another_run(&self, id: Uuid, departures: &Departures) -> Result<Farewell, StoreError> {
        if departures.contains(id).await? {
            let problem = "the user or the email claim of a departure is not theirs".to_owned();
            return Err(StoreError::Corrupt { key: keys::user(id), problem });
        }
        Ok(Farewell::Done)
    }
}
