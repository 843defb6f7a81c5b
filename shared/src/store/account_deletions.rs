//! The `AccountDeletions` table: users who are leaving. Each row is a job that stays until it is done, and the table's
//! stream wakes `purge-account`.

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use lambda_http::tracing;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::{StoreError, failed_condition},
    item::{self, Item},
    keys::USER_ID,
};
use crate::model::Timestamp;

/// How often a purge may wake its own next run. At a quarter of a million movies a run, nobody has so many.
const MAX_RUNS: u32 = 50;

/// Where account deletions are kept.
#[derive(Debug, Clone)]
pub struct AccountDeletions {
    client: Client,
    table: String,
}

/// A user who is leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDeletion {
    /// The user's id.
    pub user_id: Uuid,
    /// Since when they are leaving.
    pub requested_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct AccountDeletionItem {
    user_id: Uuid,
    requested_at: String,
    /// Counts the runs that did not finish. Its change is what wakes the next one.
    run_count: u64,
}

impl AccountDeletions {
    /// The account deletions in `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Whether a user's account deletion is still to be worked off.
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

    /// All account deletions. A corrupt one is logged and left out, so that it holds up no other.
    ///
    /// `Scan`, as many as it takes: the table holds only what is under way. IAM: `Scan`.
    pub async fn all(&self) -> Result<Vec<AccountDeletion>, StoreError> {
        let mut pages =
            self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().send();
        let mut account_deletions = Vec::new();
        while let Some(page) = pages.next().await {
            account_deletions.extend(page?.items.unwrap_or_default().into_iter().filter_map(readable));
        }
        Ok(account_deletions)
    }

    /// Wakes the next run of a purge that ran out of time. Nothing happens if it has ended meanwhile, or if so many runs
    /// have been woken that something must be wrong: then the hourly schedule goes on, which costs little.
    ///
    /// `UpdateItem`, on the condition that the row is there and was not woken too often. IAM: `UpdateItem`.
    pub async fn retrigger(&self, user_id: Uuid) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(USER_ID, AttributeValue::S(user_id.to_string()))
            .update_expression("ADD #run_count :one")
            .condition_expression("#run_count < :most")
            .expression_attribute_names("#run_count", "run_count")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":most", AttributeValue::N(MAX_RUNS.to_string()));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => failed_condition(error).map(|_| ()),
        }
    }

    /// The part of a transaction that puts an account deletion. IAM: `PutItem`.
    pub(super) fn put(
        &self,
        user_id: Uuid,
        requested_at: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let account_deletion =
            AccountDeletionItem { user_id, requested_at: requested_at.to_string(), run_count: 0 };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::encode(&account_deletion)?))
            .condition_expression("attribute_not_exists(#user_id)")
            .expression_attribute_names("#user_id", USER_ID)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The part of a transaction that ends an account deletion. IAM: `DeleteItem`.
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
