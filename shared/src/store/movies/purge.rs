//! Deleting the movies of a user who is leaving.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::Deserialize;
use uuid::Uuid;

use super::{Movies, claim_is_missing};
use crate::store::{
    Users,
    failure::{FailedConditions, StoreError},
    item::{self, Item},
    keys,
};

/// How many movies go in one transaction: DynamoDB takes 100 items, and each movie has its claim, and there is the
/// count at the user.
const BATCH: i32 = 49;

/// How long to wait before asking again for what DynamoDB left out, which it does when it throttles. Each further wait is
/// twice as long, up to the longest. There is no jitter, because hardly ever do two purges run at once.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Movies that an index names as a user's. It lags behind the table, so they are candidates and no more.
#[derive(Debug)]
pub struct Candidates {
    ids: Vec<String>,
    /// Where the next ones begin; `None` if these were the last.
    next: Option<Item>,
}

/// A movie as the table has it.
#[derive(Debug, Deserialize)]
pub struct OwnedMovie {
    id: Uuid,
    name_key: String,
    added_by: Uuid,
}

impl Movies {
    /// Up to 49 candidates for the movies of a user, after those of `previous`; `None` after the last.
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
            .expression_attribute_names("#added_by", "added_by")
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_string()))
            .limit(BATCH)
            .set_exclusive_start_key(start);
        let answer = request.send().await?;
        let ids = answer.items.unwrap_or_default().iter().map(item::key_of).collect();
        Ok(Some(Candidates { ids, next: answer.last_evaluated_key }))
    }

    /// Those of the candidates that are the user's, as the table has them at this moment.
    ///
    /// Consistent `BatchGetItem`, again with exponential back-off for what it leaves out, for as long as it does: the
    /// caller bounds the time. IAM: `BatchGetItem`.
    pub async fn owned(&self, owner: Uuid, candidates: &Candidates) -> Result<Vec<OwnedMovie>, StoreError> {
        let key = |id: &String| Item::from([(keys::PARTITION.to_owned(), AttributeValue::S(id.clone()))]);
        let mut wanted: Vec<Item> = candidates.ids.iter().map(key).collect();
        let mut movies = Vec::new();
        let mut backoff = FIRST_BACKOFF;
        while !wanted.is_empty() {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .projection_expression("pk, id, name_key, added_by")
                .build()?;
            let answer = self.client.batch_get_item().request_items(&self.table, keys).send().await?;
            for found in answer.responses.unwrap_or_default().into_values().flatten() {
                movies.push(item::decode::<OwnedMovie>(found)?);
            }
            let left = answer.unprocessed_keys.unwrap_or_default().into_values().next();
            wanted = left.map(|keys| keys.keys).unwrap_or_default();
            if !wanted.is_empty() {
                tokio::time::sleep(backoff).await;
                backoff = LONGEST_BACKOFF.min(backoff * 2);
            }
        }
        movies.retain(|movie| movie.added_by == owner);
        Ok(movies)
    }

    /// Deletes movies with their claims, and counts them off at their owner, who is leaving. `false`, and nothing
    /// happens, if one of them is no longer as it was read: then they are looked at again.
    ///
    /// `TransactWriteItems`: for each movie, delete it, only if still the owner's and of the same name, and its claim,
    /// only if it is the movie's; update the user. IAM: `DeleteItem`; `UpdateItem` on the users' table.
    pub async fn delete_owned(
        &self,
        movies: &[OwnedMovie],
        owner: Uuid,
        users: &Users,
    ) -> Result<bool, StoreError> {
        let mut request = self.client.transact_write_items();
        for movie in movies {
            request = request
                .transact_items(self.delete_unchanged(movie.id, owner, &movie.name_key)?)
                .transact_items(self.release_claim(movie.id, &movie.name_key)?);
        }
        let request = request.transact_items(users.count_off_deleted(owner, movies.len())?);
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
