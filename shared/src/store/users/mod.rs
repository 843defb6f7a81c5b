//! The `Users` table: users, and the claims that make their emails unique.

mod deletion;
mod password;
mod sessions;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{AttributeValue, TransactWriteItem, Update, builders::UpdateBuilder},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub use deletion::{FinishDeletionOutcome, RequestDeletionOutcome};
pub use password::{PasswordChangeOutcome, PasswordResetOutcome, PasswordResetWrite};
pub use sessions::{LogoutOutcome, SessionFault};

use super::{
    failure::{FailedConditions, StoreError},
    item, keys,
};
use crate::model::{CanonicalEmail, NewUser, PasswordHash, Session};

/// The position of the email claim in the transaction of a signup.
const CLAIM: usize = 1;

/// The `Users` table.
#[derive(Debug, Clone)]
pub struct Users {
    client: Client,
    table: String,
}

/// The outcome of a signup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignupOutcome {
    /// The user exists.
    Created,
    /// Another user has the email.
    EmailTaken,
}

/// The credentials of a user, from one consistent read.
#[derive(Debug)]
pub struct StoredCredentials {
    /// The user's id.
    pub user_id: Uuid,
    /// The hash that the submitted password must match.
    pub password_hash: PasswordHash,
    /// The epoch of a session that begins with these credentials.
    pub session_epoch: u64,
}

/// An active user, from one consistent read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveUser {
    /// The user's id.
    pub id: Uuid,
    /// The epoch of the user's sessions.
    pub session_epoch: u64,
}

/// The attributes of a user that an operation reads together with those that show whether a session is current.
pub trait UserProjection: DeserializeOwned {
    /// The names of the attributes.
    const ATTRIBUTES: &'static [&'static str];
}

/// No further attributes.
impl UserProjection for () {
    const ATTRIBUTES: &'static [&'static str] = &[];
}

/// The attributes of an account that its owner can see.
#[derive(Deserialize)]
pub struct Account {
    /// The address as its owner wrote it.
    pub email: String,
    /// The time of the signup.
    pub created_at: String,
    /// How many movies the user has.
    pub movie_count: u64,
}

impl UserProjection for Account {
    const ATTRIBUTES: &'static [&'static str] = &["email", "created_at", "movie_count"];
}

/// The email and the password hash of a signed-in user.
#[derive(Debug, Deserialize)]
#[serde(from = "EmailAndHashItem")]
pub struct EmailAndHash {
    /// The canonical email, which the new password must not repeat.
    pub email: CanonicalEmail,
    /// The hash that the current password must match.
    pub password_hash: PasswordHash,
}

impl UserProjection for EmailAndHash {
    const ATTRIBUTES: &'static [&'static str] = &["email_key", "password_hash"];
}

/// The email of a user.
#[derive(Debug, Deserialize)]
#[serde(from = "EmailItem")]
pub struct EmailOfUser {
    /// The canonical email.
    pub email: CanonicalEmail,
}

impl UserProjection for EmailOfUser {
    const ATTRIBUTES: &'static [&'static str] = &["email_key"];
}

impl From<EmailItem> for EmailOfUser {
    fn from(item: EmailItem) -> Self {
        Self { email: CanonicalEmail::from_stored(item.email_key) }
    }
}

impl From<EmailAndHashItem> for EmailAndHash {
    fn from(item: EmailAndHashItem) -> Self {
        Self {
            email: CanonicalEmail::from_stored(item.email_key),
            password_hash: PasswordHash::from_stored(item.password_hash),
        }
    }
}

#[derive(Serialize)]
struct UserItem<'a> {
    pk: String,
    id: Uuid,
    email: &'a str,
    /// The canonical email, by which the claim is found.
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
    /// Returns the status as conditions compare it.
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
struct CredentialsItem {
    id: Uuid,
    password_hash: String,
    status: Status,
    session_epoch: u64,
}

#[derive(Deserialize)]
struct ActiveUserItem {
    id: Uuid,
    status: Status,
    session_epoch: u64,
}

#[derive(Deserialize)]
struct EmailItem {
    email_key: String,
}

#[derive(Deserialize)]
struct EmailAndHashItem {
    email_key: String,
    password_hash: String,
}

impl Users {
    /// Creates access to the table with this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Creates a user with the claim on the email.
    ///
    /// `TransactWriteItems`: put the user and the claim, on the condition that both are new. IAM: `PutItem`.
    pub async fn create(&self, user: &NewUser) -> Result<SignupOutcome, StoreError> {
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
        if failed.at(CLAIM).is_some() {
            return Ok(SignupOutcome::EmailTaken);
        }
        Err(StoreError::Corrupt { key: user_item.pk, problem: "a new id is taken".to_owned() })
    }

    /// Returns the credentials of the active user with this email; `None` if there is none.
    ///
    /// Consistent `GetItem` of the claim, then of its user. IAM: `GetItem`.
    pub async fn find_credentials(
        &self,
        email: &CanonicalEmail,
    ) -> Result<Option<StoredCredentials>, StoreError> {
        let attributes = ["id", "password_hash", "status", "session_epoch"];
        let user: Option<CredentialsItem> = self.read_by_email(email, &attributes).await?;
        Ok(user.filter(|user| user.status == Status::Active).map(|user| StoredCredentials {
            user_id: user.id,
            password_hash: PasswordHash::from_stored(user.password_hash),
            session_epoch: user.session_epoch,
        }))
    }

    /// Returns the active user with this email; `None` if there is none.
    ///
    /// Consistent `GetItem` of the claim, then of its user. IAM: `GetItem`.
    pub async fn find_active(&self, email: &CanonicalEmail) -> Result<Option<ActiveUser>, StoreError> {
        let user: Option<ActiveUserItem> =
            self.read_by_email(email, &["id", "status", "session_epoch"]).await?;
        let active = user.filter(|user| user.status == Status::Active);
        Ok(active.map(|user| ActiveUser { id: user.id, session_epoch: user.session_epoch }))
    }

    /// Returns the part of a transaction that adds one to the `movie_count` of a session's user, on the condition that the
    /// session is current and the count is below `limit`. IAM: `UpdateItem`.
    pub(super) fn add_to_movie_count(
        &self,
        session: Session,
        limit: u32,
    ) -> Result<TransactWriteItem, BuildError> {
        let update = self
            .change_movie_count(session.user_id, "1".to_owned())
            .condition_expression(format!("{} AND movie_count < :limit", sessions::CURRENT))
            .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()));
        sessions::on_condition(update, session)
    }

    /// Returns the part of a transaction that subtracts one from the `movie_count` of a session's user, on the condition
    /// that the session is current. IAM: `UpdateItem`.
    pub(super) fn subtract_from_movie_count(
        &self,
        session: Session,
    ) -> Result<TransactWriteItem, BuildError> {
        let update = self.change_movie_count(session.user_id, "-1".to_owned());
        sessions::on_condition(update.condition_expression(sessions::CURRENT), session)
    }

    /// Returns the part of a transaction that subtracts purged movies from a user's `movie_count`, on the condition that
    /// the account is being deleted. IAM: `UpdateItem`.
    pub(super) fn subtract_purged(&self, id: Uuid, movies: usize) -> Result<TransactWriteItem, BuildError> {
        let update = self
            .change_movie_count(id, format!("-{movies}"))
            .condition_expression("#status = :deleting")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", Status::Deleting.attribute());
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }

    fn change_movie_count(&self, id: Uuid, change: String) -> UpdateBuilder {
        self.update_in_transaction(id)
            .update_expression("ADD movie_count :change")
            .expression_attribute_values(":change", AttributeValue::N(change))
    }

    fn update_in_transaction(&self, id: Uuid) -> UpdateBuilder {
        Update::builder().table_name(&self.table).set_key(Some(item::key(keys::user(id))))
    }

    /// Reads the claim on an email, and then some attributes of its user, both consistently.
    async fn read_by_email<T: DeserializeOwned>(
        &self,
        email: &CanonicalEmail,
        attributes: &[&str],
    ) -> Result<Option<T>, StoreError> {
        let claim: Option<EmailClaim> = self.read(keys::email(email), &["user_id"]).await?;
        let Some(claim) = claim else { return Ok(None) };
        self.read(keys::user(claim.user_id), attributes).await
    }

    /// Reads the key and some attributes of an item, consistently.
    async fn read<T: DeserializeOwned>(
        &self,
        key: String,
        attributes: &[&str],
    ) -> Result<Option<T>, StoreError> {
        let (projection, names) = projection(attributes);
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(key)))
            .consistent_read(true)
            .projection_expression(projection)
            .set_expression_attribute_names(Some(names));
        request.send().await?.item.map(item::decode).transpose()
    }
}

/// Returns the projection of the key and some attributes. It substitutes the names, because `status` is a reserved word of
/// expressions.
fn projection(attributes: &[&str]) -> (String, HashMap<String, String>) {
    let names = [&[keys::PARTITION], attributes].concat().into_iter();
    let names: HashMap<String, String> = names.map(|name| (format!("#{name}"), name.to_owned())).collect();
    (names.keys().map(String::as_str).collect::<Vec<_>>().join(", "), names)
}
