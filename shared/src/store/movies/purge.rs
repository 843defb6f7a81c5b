//! Deleting the movies of a user whose account is being deleted.

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::Deserialize;
use uuid::Uuid;

use super::{Movies, claim_is_missing};
use crate::store::{
    Users, batch,
    failure::{FailedConditions, StoreError},
    item::{self, Item},
    keys,
};

/// How many movies one transaction deletes. DynamoDB allows 100 items: two for each movie and its claim, and the user.
const BATCH: i32 = 49;

/// Movies that the index `owner` lists for a user. The index is eventually consistent, so they are only candidates.
#[derive(Debug)]
pub struct Candidates {
    keys: Vec<String>,
    /// The position of the next candidates; `None` if these are the last.
    next: Option<Item>,
}

/// The attributes of a movie that its deletion needs.
#[derive(Debug, Deserialize)]
pub struct OwnedMovie {
    id: Uuid,
    name_key: String,
    added_by: Uuid,
}

impl Movies {
    /// Returns up to 49 candidates for the movies of a user, after those of `previous`; `None` after the last.
    ///
    /// A movie that is renamed in the meantime moves in the index, so it can be listed twice or not at all: the table
    /// decides about the former, and the user's `movie_count` shows the latter.
    ///
    /// `Query` of the index `owner`, eventually consistent. IAM: `Query` on the index.
    pub async fn candidates(
        &self,
        owner: Uuid,
        previous: Option<Candidates>,
    ) -> Result<Option<Candidates>, StoreError> {
        let start = match previous {
            None => None,
            Some(Candidates { next: None, .. }) => return Ok(None),
            Some(Candidates { next, .. }) => next,
        };
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::OWNER_INDEX)
            .key_condition_expression("#added_by = :owner")
            .projection_expression(keys::PARTITION)
            .expression_attribute_names("#added_by", keys::ADDED_BY)
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_string()))
            .limit(BATCH)
            .set_exclusive_start_key(start);
        let output = request.send().await?;
        let keys = output.items.unwrap_or_default().iter().map(item::key_of).collect();
        Ok(Some(Candidates { keys, next: output.last_evaluated_key }))
    }

    /// Returns the candidates that exist and belong to the user.
    ///
    /// Consistent `BatchGetItem`, repeated with exponential backoff until no key is left unprocessed: the caller limits the
    /// time. IAM: `BatchGetItem`.
    pub async fn owned(&self, owner: Uuid, candidates: &Candidates) -> Result<Vec<OwnedMovie>, StoreError> {
        if candidates.keys.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(candidates.keys.iter().cloned().map(item::key).collect()))
            .consistent_read(true)
            .projection_expression(format!("{}, id, {}, {}", keys::PARTITION, keys::NAME_KEY, keys::ADDED_BY))
            .build()?;
        let found = batch::get(&self.client, [(self.table.clone(), wanted)].into()).await?;
        let movies: Result<Vec<OwnedMovie>, StoreError> =
            found.into_values().flatten().map(item::decode).collect();
        Ok(movies?.into_iter().filter(|movie| movie.added_by == owner).collect())
    }

    /// Deletes movies with the claims on their names, and subtracts their number from the owner's `movie_count`. Returns
    /// `false`, and deletes nothing, if one of them has changed since it was read: the caller then reads them again.
    ///
    /// `TransactWriteItems`: for each movie, delete it, on the condition that it still has this owner and name, and its
    /// claim, on the condition that it is the movie's; update the user, on the condition that the account is being
    /// deleted. IAM: `DeleteItem`; `UpdateItem` on `Users`.
    pub async fn delete_owned(
        &self,
        movies: &[OwnedMovie],
        owner: Uuid,
        users: &Users,
    ) -> Result<bool, StoreError> {
        let mut request = self.client.transact_write_items();
        for movie in movies {
            request = request
                .transact_items(self.delete_unchanged(movie.id, owner, &movie.name_key, None)?)
                .transact_items(self.release_claim(movie.id, &movie.name_key)?);
        }
        let request = request.transact_items(users.subtract_purged(owner, movies.len())?);
        let Err(error) = request.send().await else { return Ok(true) };
        let failed = FailedConditions::of(error, &[])?;
        for (position, movie) in movies.iter().enumerate() {
            if failed.at(2 * position + 1).is_some() && !failed.unsettled(2 * position) {
                return Err(claim_is_missing(movie.id));
            }
        }
        Ok(false)
    }
}
