//! Deleting a movie.

use uuid::Uuid;

use super::{KeepsChanging, MAX_CONFLICT_RETRIES, Movies, claim_is_missing};
use crate::store::{
    Users,
    failure::{FailedConditions, StoreError},
};

/// What came of deleting a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The movie is gone and its name free.
    Deleted,
    /// There is no such movie.
    NotFound,
    /// Somebody else added it.
    NotOwner,
    /// The owner is gone.
    OwnerGone,
}

impl Movies {
    /// Deletes a movie of `owner` and its claim, and counts it off at them.
    ///
    /// Consistent `GetItem`, then `TransactWriteItems`: delete the movie, only if still the owner's and of the same
    /// name; delete the claim, only if it is the movie's; update the user. A movie that was renamed in between is
    /// looked at again. IAM: `GetItem`, `DeleteItem`; `UpdateItem` on the users' table.
    pub async fn delete(&self, id: Uuid, owner: Uuid, users: &Users) -> Result<DeleteOutcome, StoreError> {
        for _ in 0..MAX_CONFLICT_RETRIES {
            let Some(movie) = self.find(id).await? else { return Ok(DeleteOutcome::NotFound) };
            if movie.added_by != owner {
                return Ok(DeleteOutcome::NotOwner);
            }
            let request = self
                .client
                .transact_write_items()
                .transact_items(self.delete_unchanged(movie.id, owner, movie.name.key())?)
                .transact_items(self.release_claim(movie.id, movie.name.key())?)
                .transact_items(users.count_one_less(owner)?);
            let Err(error) = request.send().await else { return Ok(DeleteOutcome::Deleted) };
            let failed = FailedConditions::of(error, &[0, 2])?;
            if failed.unsettled(0) {
                continue;
            }
            return if failed.at(2).is_some() {
                Ok(DeleteOutcome::OwnerGone)
            } else {
                Err(claim_is_missing(movie.id))
            };
        }
        Err(KeepsChanging.into())
    }
}
