//! The `PasswordAttempts` table: counters of failed tries of passwords.
//!
//! Their time is checked in code; the table's TTL only tidies up, and can be days late.

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::{StoreError, failed_condition},
    item, keys,
};
use crate::model::Timestamp;

/// Where the counters are kept.
#[derive(Debug, Clone)]
pub struct PasswordAttempts {
    client: Client,
    table: String,
}

/// How an account stands with one address that tried its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// How many tries failed, or are under way.
    pub failures: u32,
    /// Until when no further try is let in; 1970 if the next one need not wait.
    pub blocked_until: Timestamp,
    /// When all of this is forgotten.
    pub expires_at: Timestamp,
    /// The try that was let in last.
    pub attempt: Uuid,
}

#[derive(Serialize, Deserialize)]
struct BackoffItem {
    pk: String,
    failures: u32,
    /// In milliseconds since 1970.
    blocked_until: i64,
    /// In seconds since 1970, as DynamoDB's TTL needs it.
    expires_at: i64,
    attempt: Uuid,
}

impl PasswordAttempts {
    /// The counters in `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// How an account stands with one address.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn find(&self, name: &str) -> Result<Option<Backoff>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(name.to_owned()))
            .consistent_read(true);
        request.send().await?.item.map(|item| item::decode::<BackoffItem>(item)?.try_into()).transpose()
    }

    /// Writes `next` if nobody let another try in since `seen` was read. `false` if somebody did.
    ///
    /// `PutItem`, on the condition that the last try is the one seen. IAM: `PutItem`.
    pub async fn replace(
        &self,
        name: &str,
        seen: Option<&Backoff>,
        next: &Backoff,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::encode(&BackoffItem::new(name, next))?))
            .expression_attribute_names("#attempt", "attempt")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match seen {
            None => request.condition_expression("attribute_not_exists(#attempt)"),
            Some(seen) => request
                .condition_expression("#attempt = :seen")
                .expression_attribute_values(":seen", AttributeValue::S(seen.attempt.to_string())),
        };
        let Err(error) = request.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                // The SDK repeats a write whose answer got lost, and then meets what it wrote itself.
                let ours = AttributeValue::S(next.attempt.to_string());
                Ok(failed.item().and_then(|item| item.get("attempt")) == Some(&ours))
            }
            _ => Err(error.into()),
        }
    }

    /// Forgets the failures of an account with one address.
    ///
    /// `DeleteItem`. IAM: `DeleteItem`.
    pub async fn clear(&self, name: &str) -> Result<(), StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(name.to_owned()));
        request.send().await?;
        Ok(())
    }

    /// Counts one failure more, unless there are `limit` already. `false` if there are.
    ///
    /// `UpdateItem`, on that condition. IAM: `UpdateItem`.
    pub async fn count_up(&self, name: &str, limit: u32, expires_at: Timestamp) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(name.to_owned()))
            .update_expression("ADD failures :one SET expires_at = :expires_at")
            .condition_expression("attribute_not_exists(failures) OR failures < :limit")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(
                ":expires_at",
                AttributeValue::N(expires_at.unix_seconds().to_string()),
            )
            .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => failed_condition(error).map(|_| false),
        }
    }

    /// Counts one failure less.
    ///
    /// `UpdateItem`. IAM: `UpdateItem`.
    pub async fn count_down(&self, name: &str) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(name.to_owned()))
            .update_expression("ADD failures :minus_one")
            .expression_attribute_values(":minus_one", AttributeValue::N("-1".to_owned()));
        request.send().await?;
        Ok(())
    }
}

impl BackoffItem {
    fn new(name: &str, backoff: &Backoff) -> Self {
        Self {
            pk: name.to_owned(),
            failures: backoff.failures,
            blocked_until: backoff.blocked_until.unix_milliseconds(),
            expires_at: backoff.expires_at.unix_seconds(),
            attempt: backoff.attempt,
        }
    }
}

impl TryFrom<BackoffItem> for Backoff {
    type Error = StoreError;

    fn try_from(item: BackoffItem) -> Result<Self, StoreError> {
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
            attempt: item.attempt,
        })
    }
}
