//! The `AccountDeletions` table: one row for each account deletion that was requested and is not finished. The table's
//! stream triggers `purge-account`.

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::{StoreError, failed_condition},
    item::{self, Item},
    keys::USER_ID,
};
use crate::model::Timestamp;

/// The most runs of `purge-account` that the unfinished runs of one account deletion trigger; the request itself
/// triggers the first. A run deletes more than 100,000 movies, so no user needs that many runs.
const MAX_RUNS: u32 = 50;

/// The `AccountDeletions` table.
#[derive(Debug, Clone)]
pub struct AccountDeletions {
    client: Client,
    table: String,
}

/// A pending account deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDeletion {
    /// The id of the user whose account is being deleted.
    pub user_id: Uuid,
    /// The time of the request.
    pub requested_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct AccountDeletionItem {
    user_id: Uuid,
    requested_at: String,
    /// How many runs did not finish. Each increment triggers another run through the stream.
    run_count: u64,
}

impl AccountDeletions {
    /// Creates access to the table with this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns whether the deletion of a user's account is pending.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn contains(&self, user_id: Uuid) -> Result<bool, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(USER_ID, AttributeValue::S(user_id.to_string()))
            .consistent_read(true);
        Ok(request.send().await?.item.is_some())
    }

    /// Returns all pending account deletions. A corrupt row is logged and left out, so that it does not block the others.
    ///
    /// Consistent `Scan`, page by page: the table is small because it holds pending deletions only. IAM: `Scan`.
    pub async fn all(&self) -> Result<Vec<AccountDeletion>, StoreError> {
        let mut pages =
            self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().send();
        let mut deletions = Vec::new();
        while let Some(page) = pages.next().await {
            deletions.extend(page?.items.unwrap_or_default().into_iter().filter_map(readable));
        }
        Ok(deletions)
    }

    /// Triggers another run for an account deletion that a run could not finish in its time. Does nothing if the deletion
    /// has finished in the meantime, or has triggered so many runs that something must be wrong: then only the hourly
    /// schedule continues it, which costs little.
    ///
    /// `UpdateItem`, on the condition that the row exists and its `run_count` is below the maximum. If its response is
    /// lost, the SDK's retry adds one more. IAM: `UpdateItem`.
    pub async fn retrigger(&self, user_id: Uuid) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(USER_ID, AttributeValue::S(user_id.to_string()))
            .update_expression("ADD #run_count :one")
            .condition_expression("#run_count < :maximum")
            .expression_attribute_names("#run_count", "run_count")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":maximum", AttributeValue::N(MAX_RUNS.to_string()));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => failed_condition(error).map(|_| ()),
        }
    }

    /// Returns the part of a transaction that requests a deletion, on the condition that none is pending. IAM: `PutItem`.
    pub(super) fn put(
        &self,
        user_id: Uuid,
        requested_at: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let deletion = AccountDeletionItem { user_id, requested_at: requested_at.to_string(), run_count: 0 };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::encode(&deletion)?))
            .condition_expression("attribute_not_exists(#user_id)")
            .expression_attribute_names("#user_id", USER_ID)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Returns the part of a transaction that finishes a deletion, on the condition that it is pending. IAM:
    /// `DeleteItem`.
    pub(super) fn delete(&self, user_id: Uuid) -> Result<TransactWriteItem, BuildError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key(USER_ID, AttributeValue::S(user_id.to_string()))
            .condition_expression("attribute_exists(#user_id)")
            .expression_attribute_names("#user_id", USER_ID)
            .build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

fn readable(item: Item) -> Option<AccountDeletion> {
    item::decode::<AccountDeletionItem>(item)
        .and_then(AccountDeletion::try_from)
        .inspect_err(|error| tracing::error!(%error, "an account deletion was left out"))
        .ok()
}

impl TryFrom<AccountDeletionItem> for AccountDeletion {
    type Error = StoreError;

    fn try_from(item: AccountDeletionItem) -> Result<Self, StoreError> {
        let requested_at = Timestamp::parse(&item.requested_at).ok_or_else(|| StoreError::Corrupt {
            key: item.user_id.to_string(),
            problem: "requested_at is not a time".to_owned(),
        })?;
        Ok(Self { user_id: item.user_id, requested_at })
    }
}
