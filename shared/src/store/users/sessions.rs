//! A user's sessions: whether one is current, and the changes that end them all.
//!
//! A session is current while its user is active and has its epoch. Every change that ends sessions increments the epoch, on
//! the condition that the caller's own session is current. The SDK repeats an update whose response was lost, which then
//! fails this condition: a logout recognizes its own earlier attempt by `last_logout`, a random id of its own, and a
//! change of the password by the hash, which has its own salt.

use aws_sdk_dynamodb::{
    error::BuildError,
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, KeysAndAttributes, TransactWriteItem, builders::UpdateBuilder},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{Status, UserProjection, Users, projection};
use crate::{
    model::Session,
    store::{
        batch::{self, BatchItems},
        failure::{StoreError, failed_condition},
        item, keys,
    },
};

/// The condition that a session is current; [`on_condition`] sets its values.
pub(super) const CURRENT: &str = "#status = :active AND session_epoch = :epoch";

/// The attributes that show whether a session is current.
const ATTRIBUTES: &[&str] = &["status", "session_epoch"];

/// The reason why a session is not current. A session that has ended never becomes current again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFault {
    /// The user does not exist, or the account is being deleted.
    UserGone,
    /// The user logged out, changed the password or requested the deletion of the account.
    Revoked,
}

/// The outcome of a logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutOutcome {
    /// Every token issued so far is revoked.
    LoggedOut,
    /// The session was not current.
    SessionEnded(SessionFault),
}

#[derive(Deserialize)]
struct SessionItem<Projection> {
    status: Status,
    session_epoch: u64,
    #[serde(flatten)]
    projection: Projection,
}

impl<Projection> SessionItem<Projection> {
    /// Returns attributes of a session's user, if the session is current.
    fn check(user: Option<Self>, session: Session) -> Result<Projection, SessionFault> {
        match user {
            Some(user) if user.status == Status::Active && user.session_epoch == session.epoch => {
                Ok(user.projection)
            }
            Some(user) if user.status == Status::Active => Err(SessionFault::Revoked),
            Some(_) | None => Err(SessionFault::UserGone),
        }
    }

    /// Returns the reason why the condition that the session is current has failed, from a later read. A session that has
    /// ended never becomes current again, so the read shows the reason.
    fn fault(user: Option<Self>, session: Session) -> SessionFault {
        Self::check(user, session).err().unwrap_or(SessionFault::Revoked)
    }
}

#[derive(Deserialize)]
struct LastLogout {
    last_logout: Option<Uuid>,
}

impl UserProjection for LastLogout {
    const ATTRIBUTES: &'static [&'static str] = &["last_logout"];
}

impl Users {
    /// Returns attributes of a session's user, if the session is current.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn find_by_session<Projection: UserProjection>(
        &self,
        session: Session,
    ) -> Result<Result<Projection, SessionFault>, StoreError> {
        Ok(SessionItem::check(self.read_session(session).await?, session))
    }

    /// Ends every session of the user. `logout_id` is an id of this logout alone.
    ///
    /// `UpdateItem`, on the condition that the session is current. If the condition fails, a consistent `GetItem` shows
    /// whether this request has succeeded before. IAM: `UpdateItem`, `GetItem`.
    pub async fn log_out(&self, session: Session, logout_id: Uuid) -> Result<LogoutOutcome, StoreError> {
        let request = self
            .end_sessions(session)
            .update_expression("SET session_epoch = :next_epoch, last_logout = :logout_id")
            .expression_attribute_values(":logout_id", AttributeValue::S(logout_id.to_string()));
        let is_own = |user: &LastLogout| user.last_logout == Some(logout_id);
        Ok(match self.send_on_condition(request, session, is_own).await? {
            Ok(()) => LogoutOutcome::LoggedOut,
            Err(fault) => LogoutOutcome::SessionEnded(fault),
        })
    }

    /// Returns the part of a `BatchGetItem` that reads a session's user: the table, and what to read of it.
    /// [`Users::session_in`] evaluates the result.
    pub(in crate::store) fn get_session(
        &self,
        session: Session,
    ) -> Result<(String, KeysAndAttributes), BuildError> {
        let (projection, names) = projection(ATTRIBUTES);
        let keys = KeysAndAttributes::builder()
            .keys(item::key(keys::user(session.user_id)))
            .consistent_read(true)
            .projection_expression(projection)
            .set_expression_attribute_names(Some(names))
            .build()?;
        Ok((self.table.clone(), keys))
    }

    /// Returns whether a session is current, from the result of a `BatchGetItem` with [`Users::get_session`].
    pub(in crate::store) fn session_in(
        &self,
        found: &mut BatchItems,
        session: Session,
    ) -> Result<Result<(), SessionFault>, StoreError> {
        let user = batch::take_only(found, &self.table);
        Ok(SessionItem::check(user.map(item::decode).transpose()?, session))
    }

    /// Returns the reason why the condition that a session is current has failed.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub(in crate::store) async fn fault_of(&self, session: Session) -> Result<SessionFault, StoreError> {
        Ok(SessionItem::fault(self.read_session::<()>(session).await?, session))
    }

    async fn read_session<Projection: UserProjection>(
        &self,
        session: Session,
    ) -> Result<Option<SessionItem<Projection>>, StoreError> {
        let attributes = [ATTRIBUTES, Projection::ATTRIBUTES].concat();
        self.read(keys::user(session.user_id), &attributes).await
    }

    pub(super) fn update(&self, id: Uuid) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(item::key(keys::user(id))))
    }

    pub(super) fn end_sessions(&self, session: Session) -> UpdateItemFluentBuilder {
        self.update(session.user_id)
            .condition_expression(CURRENT)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", Status::Active.attribute())
            .expression_attribute_values(":epoch", number(session.epoch))
            .expression_attribute_values(":next_epoch", number(session.epoch + 1))
    }

    /// Sends an update on the condition that the session is current. If the condition fails, returns whether `is_own`
    /// recognizes an earlier attempt of the same request, and otherwise why the session is not current.
    pub(super) async fn send_on_condition<Projection: UserProjection>(
        &self,
        request: UpdateItemFluentBuilder,
        session: Session,
        is_own: impl FnOnce(&Projection) -> bool,
    ) -> Result<Result<(), SessionFault>, StoreError> {
        let Err(error) = request.send().await else { return Ok(Ok(())) };
        failed_condition(error)?;
        let user = self.read_session(session).await?;
        if user.as_ref().is_some_and(|user: &SessionItem<_>| is_own(&user.projection)) {
            return Ok(Ok(()));
        }
        Ok(Err(SessionItem::fault(user, session)))
    }
}

/// Returns the part of a transaction that makes an update whose condition contains [`CURRENT`].
pub(super) fn on_condition(update: UpdateBuilder, session: Session) -> Result<TransactWriteItem, BuildError> {
    let update = update
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":active", Status::Active.attribute())
        .expression_attribute_values(":epoch", number(session.epoch));
    Ok(TransactWriteItem::builder().update(update.build()?).build())
}

/// Returns an epoch as expressions contain it.
pub(super) fn number(epoch: u64) -> AttributeValue {
    AttributeValue::N(epoch.to_string())
}
