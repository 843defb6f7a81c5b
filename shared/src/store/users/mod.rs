//! The `Users` table: users, and the claims that make their emails unique.

mod delete;
mod sessions;

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{AttributeValue, TransactWriteItem, Update, builders::UpdateBuilder},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub use delete::{DeletionRequest, DeletionStep};
pub use sessions::{LogoutOutcome, PasswordChangeOutcome};

use super::{
    failure::{FailedConditions, StoreError},
    item, keys,
};
use crate::{
    auth::password::PasswordHash,
    model::{User, email::CanonicalEmail},
};

/// Where users are kept.
#[derive(Debug, Clone)]
pub struct Users {
    client: Client,
    table: String,
}

/// What came of signing up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignupOutcome {
    /// The user exists from now on.
    Created,
    /// Somebody else has the email.
    EmailTaken,
}

/// What a login is checked against and made of, from one consistent read.
#[derive(Debug)]
pub struct StoredCredentials {
    /// The user's id.
    pub user_id: Uuid,
    /// The hash that the password must match.
    pub password_hash: PasswordHash,
    /// The epoch of the session that the login begins.
    pub session_epoch: u64,
}

/// A part of a user that an operation needs: read together with what their token is checked against.
pub trait PartOfUser: DeserializeOwned {
    /// Its attributes, each with a comma before it.
    const ATTRIBUTES: &'static str;
}

/// Nothing but the check.
impl PartOfUser for () {
    const ATTRIBUTES: &'static str = "";
}

/// What a user may see of their own account.
#[derive(Debug, Deserialize)]
pub struct Account {
    /// The address as they wrote it.
    pub email: String,
    /// When they signed up.
    pub created_at: String,
    /// How many movies are theirs.
    pub movie_count: u64,
}

impl PartOfUser for Account {
    const ATTRIBUTES: &'static str = ", email, created_at, movie_count";
}

/// What a change of the password is checked against.
#[derive(Debug, Deserialize)]
#[serde(from = "CredentialsItem")]
pub struct Credentials {
    /// The canonical email, by which failed tries are counted.
    pub email: CanonicalEmail,
    /// The hash that the current password must match.
    pub password_hash: PasswordHash,
}

impl PartOfUser for Credentials {
    const ATTRIBUTES: &'static str = ", email_key, password_hash";
}

impl From<CredentialsItem> for Credentials {
    fn from(item: CredentialsItem) -> Self {
        Self {
            email: CanonicalEmail::of(&item.email_key),
            password_hash: PasswordHash::from_stored(item.password_hash),
        }
    }
}

#[derive(Serialize)]
struct UserItem<'a> {
    pk: String,
    id: Uuid,
    email: &'a str,
    /// The canonical email, by which the claim is found again.
    email_key: &'a str,
    password_hash: &'a str,
    created_at: String,
    status: Status,
    session_epoch: u64,
    movie_count: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Deleting,
}

impl Status {
    /// The status as conditions compare it.
    fn attribute(self) -> AttributeValue {
        let name = match self {
            Self::Active => "active",
            Self::Deleting => "deleting",
        };
        AttributeValue::S(name.to_owned())
    }
}

#[derive(Serialize, Deserialize)]
struct EmailClaim {
    pk: String,
    user_id: Uuid,
}

#[derive(Deserialize)]
struct LoginItem {
    id: Uuid,
    password_hash: String,
    status: Status,
    session_epoch: u64,
}

#[derive(Deserialize)]
struct CredentialsItem {
    email_key: String,
    password_hash: String,
}

#[derive(Deserialize)]
struct SessionItem<Part> {
    status: Status,
    session_epoch: u64,
    #[serde(flatten)]
    part: Part,
}

impl Users {
    /// The users in `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds a user and the claim to their email.
    ///
    /// `TransactWriteItems`: put the user, put the claim, both only if new. IAM: `PutItem`.
    pub async fn create(&self, user: &User) -> Result<SignupOutcome, StoreError> {
        let email_key = user.email.canonical();
        let user_item = UserItem {
            pk: keys::user(user.id),
            id: user.id,
            email: user.email.as_str(),
            email_key: email_key.as_str(),
            password_hash: user.password_hash.as_stored(),
            created_at: user.created_at.to_string(),
            status: Status::Active,
            session_epoch: 0,
            movie_count: 0,
        };
        let claim = EmailClaim { pk: keys::email(&email_key), user_id: user.id };
        let request = self
            .client
            .transact_write_items()
            .transact_items(item::put_new(&self.table, &user_item)?)
            .transact_items(item::put_new(&self.table, &claim)?);
        let Err(error) = request.send().await else { return Ok(SignupOutcome::Created) };
        let failed = FailedConditions::of(error, &[])?;
        if failed.at(1).is_some() {
            return Ok(SignupOutcome::EmailTaken);
        }
        Err(StoreError::Corrupt { key: user_item.pk, problem: "a new id is taken".to_owned() })
    }

    /// What a login with this email is checked against; `None` if nobody who may log in has it.
    ///
    /// Consistent `GetItem` of the claim, then of its user. IAM: `GetItem`.
    pub async fn find_credentials(
        &self,
        email: &CanonicalEmail,
    ) -> Result<Option<StoredCredentials>, StoreError> {
        let claim: Option<EmailClaim> = self.read(keys::email(email), "pk, user_id").await?;
        let Some(claim) = claim else { return Ok(None) };
        let user: Option<LoginItem> =
            self.read(keys::user(claim.user_id), "pk, id, password_hash, #status, session_epoch").await?;
        Ok(user.filter(|user| user.status == Status::Active).map(|user| StoredCredentials {
            user_id: user.id,
            password_hash: PasswordHash::from_stored(user.password_hash),
            session_epoch: user.session_epoch,
        }))
    }

    /// The epoch that a user's tokens must carry, and a part of the user; `None` for one who is gone or leaving.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn session<Part: PartOfUser>(&self, id: Uuid) -> Result<Option<(u64, Part)>, StoreError> {
        let attributes = format!("pk, #status, session_epoch{}", Part::ATTRIBUTES);
        let user: Option<SessionItem<Part>> = self.read(keys::user(id), &attributes).await?;
        Ok(user.filter(|user| user.status == Status::Active).map(|user| (user.session_epoch, user.part)))
    }

    /// The part of a transaction that counts a movie more at an active user who has fewer than `limit`. IAM:
    /// `UpdateItem`.
    pub(super) fn count_one_more(&self, id: Uuid, limit: u32) -> Result<TransactWriteItem, BuildError> {
        let update = self
            .count_while(Status::Active, id, "1".to_owned())
            .condition_expression("#status = :expected AND movie_count < :limit")
            .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The part of a transaction that counts a movie less at a user. IAM: `UpdateItem`.
    pub(super) fn count_one_less(&self, id: Uuid) -> Result<TransactWriteItem, BuildError> {
        let update = self
            .update_in_transaction(id)
            .update_expression("ADD movie_count :minus_one")
            .expression_attribute_values(":minus_one", AttributeValue::N("-1".to_owned()))
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", keys::PARTITION)
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The part of a transaction that counts movies off at a user who is leaving. IAM: `UpdateItem`.
    pub(super) fn count_off_deleted(&self, id: Uuid, movies: usize) -> Result<TransactWriteItem, BuildError> {
        let update = self.count_while(Status::Deleting, id, format!("-{movies}")).build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn count_while(&self, status: Status, id: Uuid, change: String) -> UpdateBuilder {
        self.update_in_transaction(id)
            .update_expression("ADD movie_count :change")
            .expression_attribute_values(":change", AttributeValue::N(change))
            .condition_expression("#status = :expected")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":expected", status.attribute())
    }

    fn update_in_transaction(&self, id: Uuid) -> UpdateBuilder {
        Update::builder().table_name(&self.table).key(keys::PARTITION, AttributeValue::S(keys::user(id)))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        key: String,
        projection: &str,
    ) -> Result<Option<T>, StoreError> {
        let mut request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PARTITION, AttributeValue::S(key))
            .consistent_read(true)
            .projection_expression(projection);
        if projection.contains("#status") {
            // A reserved word, and DynamoDB refuses names that are not used.
            request = request.expression_attribute_names("#status", "status");
        }
        request.send().await?.item.map(item::decode).transpose()
    }
}
