//! The `PasswordResets` table: the hashes of reset tokens. The code checks whether a token has expired; the table's TTL only
//! removes expired tokens, and can be days late.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{AttributeValue, Delete, TransactWriteItem},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::StoreError,
    item::{self, Item},
    keys::TOKEN_HASH,
};
use crate::model::{IssuedReset, ResetTokenHash, Timestamp};

/// The `PasswordResets` table.
#[derive(Debug, Clone)]
pub struct PasswordResets {
    client: Client,
    table: String,
}

#[derive(Serialize, Deserialize)]
struct IssuedResetItem {
    token_hash: String,
    user_id: Uuid,
    session_epoch: u64,
    /// In seconds since 1970, as DynamoDB's TTL needs it.
    expires_at: i64,
}

impl PasswordResets {
    /// Creates access to the table with this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Stores what the token with this hash permits.
    ///
    /// `PutItem`. IAM: `PutItem`.
    pub async fn put(&self, hash: &ResetTokenHash, reset: IssuedReset) -> Result<(), StoreError> {
        let item = IssuedResetItem {
            token_hash: hash.as_str().to_owned(),
            user_id: reset.user_id,
            session_epoch: reset.session_epoch,
            expires_at: reset.expires_at.unix_seconds(),
        };
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item::encode(&item)?));
        request.send().await?;
        Ok(())
    }

    /// Returns what the token with this hash permits; `None` if it is unknown, used or removed.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn find(&self, hash: &ResetTokenHash) -> Result<Option<IssuedReset>, StoreError> {
        let request =
            self.client.get_item().table_name(&self.table).set_key(Some(key(hash))).consistent_read(true);
        let item = request.send().await?.item;
        Ok(item.map(item::decode::<IssuedResetItem>).transpose()?.map(IssuedReset::from))
    }

    /// Returns the part of a transaction that uses up a token, on the condition that it exists. IAM: `DeleteItem`.
    pub(super) fn delete(&self, hash: &ResetTokenHash) -> Result<TransactWriteItem, BuildError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(hash)))
            .condition_expression("attribute_exists(#token_hash)")
            .expression_attribute_names("#token_hash", TOKEN_HASH)
            .build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

fn key(hash: &ResetTokenHash) -> Item {
    Item::from([(TOKEN_HASH.to_owned(), AttributeValue::S(hash.as_str().to_owned()))])
}

impl From<IssuedResetItem> for IssuedReset {
    fn from(item: IssuedResetItem) -> Self {
        // A negative or absurd time is long past.
        let expires_at = Timestamp::EPOCH + Duration::from_secs(item.expires_at.try_into().unwrap_or(0));
        Self { user_id: item.user_id, session_epoch: item.session_epoch, expires_at }
    }
}
