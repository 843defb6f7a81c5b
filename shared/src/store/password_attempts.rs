//! The `PasswordAttempts` table: counters of failed password attempts, and of requests for a password reset and their
//! mails.
//!
//! The code checks whether a strict counter has expired, and the key of a window contains its hour. The table's TTL only
//! removes expired counters, and can be days late.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    operation::put_item::PutItemError,
    types::{
        AttributeValue, Delete, KeysAndAttributes, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
        Update,
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    batch,
    failure::{StoreError, failed_condition},
    item::{self, Item},
    keys,
};
use crate::model::Timestamp;

/// Adds one to a window.
const COUNT_UP: &str = "ADD failures :one SET expires_at = :expires_at";
/// The condition that a window is below its limit.
const BELOW_LIMIT: &str = "attribute_not_exists(failures) OR failures < :limit";

/// The `PasswordAttempts` table.
#[derive(Debug, Clone)]
pub struct PasswordAttempts {
    client: Client,
    table: String,
}

/// The names of the counters of a password attempt.
#[derive(Debug)]
pub struct CounterNames {
    /// The strict counter: the failures of the account from the source.
    pub strict: String,
    /// The windows of the account and of the source.
    pub windows: [String; 2],
}

/// The counters of a password attempt.
#[derive(Debug)]
pub struct Counters {
    /// The strict counter; `None` if it does not exist.
    pub strict: Option<StrictCounter>,
    /// The failures in the windows of the account and of the source, in one hour.
    pub windows: [u32; 2],
}

/// Whether a read reflects every earlier write, for twice the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// The read can miss the latest writes.
    Eventual,
    /// The read reflects every earlier write.
    Strong,
}

/// The failures of an account from one source address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrictCounter {
    /// How many attempts have failed or are in progress.
    pub failures: u32,
    /// The time before which no attempt is admitted; 1970 if the next one need not wait.
    pub blocked_until: Timestamp,
    /// The time at which the counter expires.
    pub expires_at: Timestamp,
    /// The id of the attempt that was admitted last.
    pub last_attempt: Uuid,
}

/// A window that counts only up to a limit.
#[derive(Debug)]
pub struct LimitedWindow {
    /// The name of the window.
    pub name: String,
    /// The hour, since 1970.
    pub hour: i64,
    /// The highest count.
    pub limit: u32,
    /// The time at which the window expires.
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct StrictCounterItem {
    pk: String,
    failures: u32,
    /// In milliseconds since 1970.
    blocked_until: i64,
    /// In seconds since 1970, as DynamoDB's TTL needs it.
    expires_at: i64,
    last_attempt: Uuid,
}

#[derive(Deserialize)]
struct WindowItem {
    failures: u32,
}

impl PasswordAttempts {
    /// Creates access to the table with this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns the counters with these names; the windows are those of `hour`, since 1970.
    ///
    /// `BatchGetItem`. IAM: `BatchGetItem`.
    pub async fn find(
        &self,
        names: &CounterNames,
        hour: i64,
        consistency: Consistency,
    ) -> Result<Counters, StoreError> {
        let windows = names.windows.each_ref().map(|name| keys::window(name, hour));
        let wanted = [&names.strict].into_iter().chain(&windows).cloned().map(item::key);
        let request = KeysAndAttributes::builder()
            .set_keys(Some(wanted.collect()))
            .consistent_read(consistency == Consistency::Strong)
            .build()?;
        let found = batch::get(&self.client, [(self.table.clone(), request)].into()).await?;
        let found: Vec<Item> = found.into_values().flatten().collect();
        let with_key = |key: &str| found.iter().find(|item| item::key_of(item) == key).cloned();
        let failures = |key: &str| {
            let window = with_key(key).map(item::decode::<WindowItem>).transpose()?;
            Ok::<_, StoreError>(window.map_or(0, |window| window.failures))
        };
        let strict = with_key(&names.strict).map(item::decode::<StrictCounterItem>).transpose()?;
        let [account, source] = &windows;
        Ok(Counters {
            strict: strict.map(StrictCounter::try_from).transpose()?,
            windows: [failures(account)?, failures(source)?],
        })
    }

    /// Replaces a counter by `next`. Returns `false` if another attempt was admitted since `seen` was read.
    ///
    /// `PutItem`, on the condition that `last_attempt` is the one seen. IAM: `PutItem`.
    pub async fn replace(
        &self,
        name: &str,
        seen: Option<&StrictCounter>,
        next: &StrictCounter,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::encode(&StrictCounterItem::new(name, next))?))
            .expression_attribute_names("#last_attempt", "last_attempt")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match seen {
            None => request.condition_expression("attribute_not_exists(#last_attempt)"),
            Some(seen) => request
                .condition_expression("#last_attempt = :seen")
                .expression_attribute_values(":seen", AttributeValue::S(seen.last_attempt.to_string())),
        };
        let Err(error) = request.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                // The SDK retries a write whose response was lost, and then finds its own item.
                let ours = AttributeValue::S(next.last_attempt.to_string());
                Ok(failed.item().and_then(|item| item.get("last_attempt")) == Some(&ours))
            }
            _ => Err(StoreError::without_contention(error)),
        }
    }

    /// Deletes the counter of an account's failures from one source address.
    ///
    /// `DeleteItem`. IAM: `DeleteItem`.
    pub async fn clear(&self, name: &str) -> Result<(), StoreError> {
        let request =
            self.client.delete_item().table_name(&self.table).set_key(Some(item::key(name.to_owned())));
        request.send().await.map(|_| ()).map_err(StoreError::without_contention)
    }

    /// Returns the part of a transaction that deletes a strict counter. IAM: `DeleteItem`.
    pub(super) fn clear_in_transaction(&self, name: &str) -> Result<TransactWriteItem, BuildError> {
        let delete =
            Delete::builder().table_name(&self.table).set_key(Some(item::key(name.to_owned()))).build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Adds one to a window, and returns `false` if the window has reached its limit.
    ///
    /// `UpdateItem`, on the condition that the window is below its limit. If its response is lost, the SDK's retry adds one
    /// more. IAM: `UpdateItem`.
    pub async fn count_below_limit(&self, window: &LimitedWindow) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(window.key()))
            .update_expression(COUNT_UP)
            .condition_expression(BELOW_LIMIT)
            .set_expression_attribute_values(Some(window.values()));
        let Err(error) = request.send().await else { return Ok(true) };
        failed_condition(error).map(|_| false)
    }

    /// Returns the part of a transaction that adds one to a window, on the condition that the window is below its limit.
    /// IAM: `UpdateItem`.
    pub(super) fn count_in_transaction(
        &self,
        window: &LimitedWindow,
    ) -> Result<TransactWriteItem, BuildError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(window.key()))
            .update_expression(COUNT_UP)
            .condition_expression(BELOW_LIMIT)
            .set_expression_attribute_values(Some(window.values()))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Adds one to the window with this name in an hour.
    ///
    /// `UpdateItem`. If its response is lost, the SDK's retry adds one more. IAM: `UpdateItem`.
    pub async fn count_up(&self, name: &str, hour: i64, expires_at: Timestamp) -> Result<(), StoreError> {
        let expires_at = AttributeValue::N(expires_at.unix_seconds().to_string());
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::window(name, hour))))
            .update_expression(COUNT_UP)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":expires_at", expires_at);
        request.send().await?;
        Ok(())
    }
}

impl LimitedWindow {
    fn key(&self) -> Item {
        item::key(keys::window(&self.name, self.hour))
    }

    /// Returns the values of [`COUNT_UP`] and [`BELOW_LIMIT`].
    fn values(&self) -> HashMap<String, AttributeValue> {
        let number = |name: &str, number: i64| (name.to_owned(), AttributeValue::N(number.to_string()));
        HashMap::from([
            number(":one", 1),
            number(":limit", self.limit.into()),
            number(":expires_at", self.expires_at.unix_seconds()),
        ])
    }
}

impl StrictCounterItem {
    fn new(name: &str, backoff: &StrictCounter) -> Self {
        Self {
            pk: name.to_owned(),
            failures: backoff.failures,
            blocked_until: backoff.blocked_until.unix_milliseconds(),
            expires_at: backoff.expires_at.unix_seconds(),
            last_attempt: backoff.last_attempt,
        }
    }
}

impl TryFrom<StrictCounterItem> for StrictCounter {
    type Error = StoreError;

    fn try_from(item: StrictCounterItem) -> Result<Self, StoreError> {
        let time = |milliseconds: Option<i64>, attribute: &str| {
            milliseconds.and_then(Timestamp::from_unix_milliseconds).ok_or_else(|| StoreError::Corrupt {
                key: item.pk.clone(),
                problem: format!("{attribute} is not a time"),
            })
        };
        Ok(Self {
            failures: item.failures,
            blocked_until: time(Some(item.blocked_until), "blocked_until")?,
            expires_at: time(item.expires_at.checked_mul(1_000), "expires_at")?,
            last_attempt: item.last_attempt,
        })
    }
}
