//! Updating a movie.
//!
//! Each write gives the movie a new version. If the client knows versions (`if_match`), the update succeeds only if the
//! movie has one of them. Every condition on the version also accepts the version that the write itself sets: the SDK
//! repeats a write whose response was lost, and the first attempt must not make the second one fail. If another write came
//! in between, the second one does fail, and the update starts again with another version: the first one may have been
//! read.
//!
//! An update of the name can move the claim that makes the name unique:
//!
//! 1. Read the session's user and the movie consistently, with one request. Stop if the session is not current, if the movie
//!    does not exist or another user added it, or if it has none of the versions that the client knows.
//! 2. If the canonical name does not change, update the movie, on the condition that it still has the version of step 1.
//! 3. Otherwise write one transaction: update the movie on the same condition, delete the old claim if it is this
//!    movie's, and put the new claim if the name is free.
//! 4. If the movie has changed, go back to step 1, for at most `MAX_WRITE_ATTEMPTS` attempts in all. If the name is
//!    taken, return the id of the movie that has it.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{
        AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};
use uuid::Uuid;

use super::{
    KeepsChanging, MAX_WRITE_ATTEMPTS, MovieItem, Movies, claim_is_missing, decode_movie, holder_of, version,
};
use crate::{
    model::{Casts, Genres, IdSource, Movie, MovieChanges, Session, Timestamp, VersionSet},
    store::{
        SessionFault, Users, batch,
        failure::{FailedConditions, StoreError, failed_condition},
        item::{self, Item},
        keys,
    },
};

/// The positions of items in the transaction of a rename.
const MOVIE: usize = 0;
const OLD_CLAIM: usize = 1;
const NEW_CLAIM: usize = 2;

/// An update of a movie.
#[derive(Debug, Clone)]
pub struct MovieUpdate {
    /// The movie.
    pub id: Uuid,
    /// What to change.
    pub changes: MovieChanges,
    /// The versions of which the movie must have one; `None` if it may have any.
    pub if_match: Option<VersionSet>,
    /// The time of the update.
    pub now: Timestamp,
    /// The source of the movie's version after the update.
    pub ids: IdSource,
}

/// The unit of times. Updates of a movie without a name have different times, so that a repeated write recognizes that
/// another one came in between.
const MILLISECOND: Duration = Duration::from_millis(1);

/// The outcome of updating a movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The movie after the update.
    Updated(Movie),
    /// The session was not current.
    SessionEnded(SessionFault),
    /// There is no such movie.
    NotFound,
    /// Another user added it.
    NotOwner,
    /// The movie has none of the versions that the client knows.
    VersionMismatch,
    /// The movie with this id has the new name.
    NameTaken(Uuid),
}

impl Movies {
    /// Updates a movie of the session's user.
    ///
    /// Without a name: a consistent `GetItem` of the user, then `UpdateItem`, on the condition that the movie has this owner,
    /// one of the known versions and an earlier `updated_at`; if that is not earlier, again with a time after it. With a
    /// name: a consistent `BatchGetItem` of the user and the movie, then `UpdateItem` or `TransactWriteItems`, in the steps
    /// above. IAM: `BatchGetItem`, `UpdateItem`, `DeleteItem`, `PutItem`; `GetItem` and `BatchGetItem` on `Users`.
    pub async fn update(
        &self,
        update: &MovieUpdate,
        session: Session,
        users: &Users,
    ) -> Result<UpdateOutcome, StoreError> {
        let MovieUpdate { id, changes, if_match, now, ids } = update;
        let Some(name) = &changes.name else {
            return match users.find_by_session(session).await? {
                Ok(()) => self.change_details(update, session.user_id).await,
                Err(fault) => Ok(UpdateOutcome::SessionEnded(fault)),
            };
        };
        for _ in 0..MAX_WRITE_ATTEMPTS {
            let (current, old) = self.find_with_session(*id, session, users).await?;
            if let Err(fault) = current {
                return Ok(UpdateOutcome::SessionEnded(fault));
            }
            let Some(old) = old.map(decode_movie).transpose()? else { return Ok(UpdateOutcome::NotFound) };
            if old.added_by != session.user_id {
                return Ok(UpdateOutcome::NotOwner);
            }
            if !version::permitted(if_match.as_ref(), old.version) {
                return Ok(UpdateOutcome::VersionMismatch);
            }
            let new = changes.clone().applied_to(old.clone(), *now, ids.next_id());
            let outcome = if name.key() == old.name.key() {
                self.replace(&old, new).await
            } else {
                self.rename(&old, new).await
            };
            match outcome? {
                WriteOutcome::Final(change) => return Ok(change),
                WriteOutcome::Conflict => {}
            }
        }
        Err(KeepsChanging.into())
    }

    /// Returns whether the session is current, and the item of the movie with this id, from one consistent read.
    async fn find_with_session(
        &self,
        id: Uuid,
        session: Session,
        users: &Users,
    ) -> Result<(Result<(), SessionFault>, Option<Item>), StoreError> {
        let movie =
            KeysAndAttributes::builder().keys(item::key(keys::movie(id))).consistent_read(true).build()?;
        let wanted = [users.get_session(session)?, (self.table.clone(), movie)].into();
        let mut found = batch::get(&self.client, wanted).await?;
        let current = users.session_in(&mut found, session)?;
        Ok((current, batch::take_only(&mut found, &self.table)))
    }

    async fn change_details(&self, update: &MovieUpdate, owner: Uuid) -> Result<UpdateOutcome, StoreError> {
        let mut updated_at = update.now;
        for _ in 0..MAX_WRITE_ATTEMPTS {
            let request = self.details_request(update, owner, updated_at);
            let found = match request.send().await {
                Ok(output) => {
                    return Ok(UpdateOutcome::Updated(decode_movie(output.attributes.unwrap_or_default())?));
                }
                Err(error) => failed_condition(error)?.map(decode_movie).transpose()?,
            };
            let Some(found) = found else { return Ok(UpdateOutcome::NotFound) };
            if found.added_by != owner {
                return Ok(UpdateOutcome::NotOwner);
            }
            if !version::permitted(update.if_match.as_ref(), found.version) {
                return Ok(UpdateOutcome::VersionMismatch);
            }
            // The clock of the last update is ahead of this machine's, or another update was as quick.
            updated_at = found.updated_at + MILLISECOND;
        }
        Err(KeepsChanging.into())
    }

    fn details_request(
        &self,
        update: &MovieUpdate,
        owner: Uuid,
        updated_at: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let MovieUpdate { id, changes, if_match, now: _, ids } = update;
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::movie(*id))))
            .expression_attribute_names("#added_by", keys::ADDED_BY)
            .expression_attribute_names("#updated_at", "updated_at")
            .expression_attribute_names("#version", keys::VERSION)
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_string()))
            .expression_attribute_values(":updated_at", AttributeValue::S(updated_at.to_string()))
            .expression_attribute_values(":version", version::value(ids.next_id()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut condition =
            "#added_by = :owner AND (#updated_at < :updated_at OR #version = :version)".to_owned();
        if let Some(versions) = if_match {
            let mut accepted = ":version".to_owned();
            for (position, known) in versions.iter().enumerate() {
                let name = format!(":known_{position}");
                accepted = format!("{accepted}, {name}");
                request = request.expression_attribute_values(name, version::value(known));
            }
            condition = format!("{condition} AND #version IN ({accepted})");
        }
        let mut assignments = vec!["#updated_at = :updated_at, #version = :version".to_owned()];
        for (attribute, texts) in [
            ("casts", changes.casts.as_ref().map(Casts::as_slice)),
            ("genres", changes.genres.as_ref().map(Genres::as_slice)),
        ] {
            if let Some(texts) = texts {
                assignments.push(format!("#{attribute} = :{attribute}"));
                request = request
                    .expression_attribute_names(format!("#{attribute}"), attribute)
                    .expression_attribute_values(format!(":{attribute}"), strings(texts));
            }
        }
        request.condition_expression(condition).update_expression(format!("SET {}", assignments.join(", ")))
    }

    /// Writes a movie whose canonical name does not change.
    async fn replace(&self, old: &Movie, new: Movie) -> Result<WriteOutcome, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::movie(old.id))))
            .update_expression(REPLACE)
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values(old, &new)?));
        match request.send().await {
            Ok(_) => Ok(WriteOutcome::Final(UpdateOutcome::Updated(new))),
            Err(error) => failed_condition(error).map(|_| WriteOutcome::Conflict),
        }
    }

    /// Writes a movie whose canonical name changes, and moves its claim.
    async fn rename(&self, old: &Movie, new: Movie) -> Result<WriteOutcome, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::movie(old.id))))
            .update_expression(REPLACE)
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values(old, &new)?))
            .build()?;
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(self.release_claim(old.id, old.name.key())?)
            .transact_items(self.put_claim(new.id, new.name.key())?);
        let Err(error) = request.send().await else {
            return Ok(WriteOutcome::Final(UpdateOutcome::Updated(new)));
        };
        let failed = FailedConditions::of(error, &[MOVIE])?;
        if failed.unsettled(MOVIE) {
            Ok(WriteOutcome::Conflict)
        } else if let Some(reason) = failed.at(NEW_CLAIM).filter(|_| failed.at(OLD_CLAIM).is_none()) {
            Ok(WriteOutcome::Final(UpdateOutcome::NameTaken(holder_of(reason)?)))
        } else {
            Err(claim_is_missing(old.id))
        }
    }
}

/// The outcome of one write.
enum WriteOutcome {
    Final(UpdateOutcome),
    /// The movie has changed since it was read.
    Conflict,
}

const REPLACE: &str = "SET #name = :name, #name_key = :name_key, #casts = :casts, #genres = :genres, \
                       #updated_at = :updated_at, #version = :version";
/// The condition that the movie has not changed since it was read.
const UNCHANGED: &str = "#added_by = :owner AND #version IN (:read_version, :version)";

fn names() -> HashMap<String, String> {
    ["name", keys::NAME_KEY, "casts", "genres", "updated_at", keys::ADDED_BY, keys::VERSION]
        .map(|attribute| (format!("#{attribute}"), attribute.to_owned()))
        .into()
}

fn values(old: &Movie, new: &Movie) -> Result<Item, StoreError> {
    let mut written = item::encode(&MovieItem::from(new))?;
    let mut values = Item::from([
        (":owner".to_owned(), AttributeValue::S(old.added_by.to_string())),
        (":read_version".to_owned(), version::value(old.version)),
    ]);
    for attribute in ["name", keys::NAME_KEY, "casts", "genres", "updated_at", keys::VERSION] {
        values.extend(written.remove(attribute).map(|value| (format!(":{attribute}"), value)));
    }
    Ok(values)
}

fn strings(texts: &[String]) -> AttributeValue {
    AttributeValue::L(texts.iter().cloned().map(AttributeValue::S).collect())
}
