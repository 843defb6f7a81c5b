//! The `Outbox` table: one row for each mail that is to be sent. The table's stream triggers `send-mail`.
//!
//! A mail is part of the write that causes it (the transactional outbox pattern), so that neither can exist without the
//! other, and no request waits for the mail service.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    PasswordAttempts,
    failure::{FailedConditions, StoreError},
    item::{self, Item},
    keys::ID,
    password_attempts::LimitedWindow,
};
use crate::model::{CanonicalEmail, Mail, MailKind, Timestamp};

/// The positions of items in the transaction that counts a mail.
const ROW: usize = 0;
const WINDOW: usize = 1;

/// The `Outbox` table.
#[derive(Debug, Clone)]
pub struct Outbox {
    client: Client,
    table: String,
}

/// A mail that is added by the transaction that causes it.
#[derive(Debug)]
pub struct Notice<'a> {
    outbox: &'a Outbox,
    mail: Mail,
}

impl Notice<'_> {
    /// Returns the part of a transaction that adds the mail. IAM: `PutItem`.
    pub(super) fn put(&self) -> Result<TransactWriteItem, StoreError> {
        let item = item::encode(&OutboxItem::from(&self.mail))?;
        let put = Put::builder().table_name(&self.outbox.table).set_item(Some(item)).build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// The outcome of counting a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountOutcome {
    /// The mail is counted.
    Counted,
    /// The window has reached its limit.
    LimitReached,
    /// Another run has counted the mail or ended its row, and takes care of it.
    Taken,
}

#[derive(Serialize, Deserialize)]
struct OutboxItem {
    id: Uuid,
    kind: Kind,
    email: String,
    created_at: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    counted: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Reset,
    Notice,
}

impl Outbox {
    /// Creates access to the table with this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns a mail for the transaction that causes it.
    #[must_use]
    pub fn notice(&self, mail: Mail) -> Notice<'_> {
        Notice { outbox: self, mail }
    }

    /// Adds a mail.
    ///
    /// `PutItem`. If its response is lost, the SDK's retry puts the row again, and the mail may be sent twice. IAM:
    /// `PutItem`.
    pub async fn put(&self, mail: &Mail) -> Result<(), StoreError> {
        let item = item::encode(&OutboxItem::from(mail))?;
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Returns the mail with this id; `None` if its row has ended.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn find(&self, id: Uuid) -> Result<Option<Mail>, StoreError> {
        let request =
            self.client.get_item().table_name(&self.table).set_key(Some(key(id))).consistent_read(true);
        request.send().await?.item.map(decode).transpose()
    }

    /// Returns all mails. A corrupt row is logged and left out, so that it does not block the others.
    ///
    /// Consistent `Scan`, page by page: the table is small, because a row ends when its mail is sent. IAM: `Scan`.
    pub async fn all(&self) -> Result<Vec<Mail>, StoreError> {
        let mut pages =
            self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().send();
        let mut mails = Vec::new();
        while let Some(page) = pages.next().await {
            mails.extend(page?.items.unwrap_or_default().into_iter().filter_map(readable));
        }
        Ok(mails)
    }

    /// Counts a mail in a window, once: the row records that it is counted, so that a retry does not count it again.
    ///
    /// `TransactWriteItems`: update the row, on the condition that it exists and is not counted; update the window, on the
    /// condition that it is below its limit. IAM: `UpdateItem`; `UpdateItem` on `PasswordAttempts`.
    pub async fn count(
        &self,
        id: Uuid,
        window: &LimitedWindow,
        attempts: &PasswordAttempts,
    ) -> Result<CountOutcome, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(id)))
            .update_expression("SET counted = :true")
            .condition_expression("attribute_exists(#id) AND attribute_not_exists(counted)")
            .expression_attribute_names("#id", ID)
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .build()?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(attempts.count_in_transaction(window)?);
        let Err(error) = request.send().await else { return Ok(CountOutcome::Counted) };
        let failed = FailedConditions::of(error, &[])?;
        // A row that another run is counting decides: that run counts it in the same window.
        let outcome = if failed.at(WINDOW).is_some() && !failed.unsettled(ROW) {
            CountOutcome::LimitReached
        } else {
            CountOutcome::Taken
        };
        Ok(outcome)
    }

    /// Ends the row of a mail.
    ///
    /// `DeleteItem`. IAM: `DeleteItem`.
    pub async fn delete(&self, id: Uuid) -> Result<(), StoreError> {
        self.client.delete_item().table_name(&self.table).set_key(Some(key(id))).send().await?;
        Ok(())
    }
}

fn key(id: Uuid) -> Item {
    Item::from([(ID.to_owned(), AttributeValue::S(id.to_string()))])
}

fn decode(item: Item) -> Result<Mail, StoreError> {
    item::decode::<OutboxItem>(item).and_then(Mail::try_from)
}

fn readable(item: Item) -> Option<Mail> {
    decode(item).inspect_err(|error| tracing::error!(%error, "a mail was left out")).ok()
}

impl From<&Mail> for OutboxItem {
    fn from(mail: &Mail) -> Self {
        let (kind, counted) = match mail.kind {
            MailKind::Reset { counted } => (Kind::Reset, counted),
            MailKind::Notice => (Kind::Notice, false),
        };
        let (email, created_at) = (mail.email.as_str().to_owned(), mail.created_at.to_string());
        Self { id: mail.id, kind, email, created_at, counted }
    }
}

impl TryFrom<OutboxItem> for Mail {
    type Error = StoreError;

    fn try_from(item: OutboxItem) -> Result<Self, StoreError> {
        let created_at = Timestamp::parse(&item.created_at).ok_or_else(|| StoreError::Corrupt {
            key: item.id.to_string(),
            problem: "created_at is not a time".to_owned(),
        })?;
        let kind = match item.kind {
            Kind::Reset => MailKind::Reset { counted: item.counted },
            Kind::Notice => MailKind::Notice,
        };
        Ok(Self { id: item.id, kind, email: CanonicalEmail::from_stored(item.email), created_at })
    }
}
