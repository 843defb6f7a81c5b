//! Creating a movie.

use uuid::Uuid;

use super::{MovieItem, Movies, holder_of};
use crate::{
    model::Movie,
    store::{
        Users,
        failure::{FailedConditions, StoreError},
        item, keys,
    },
};

/// The positions of items in the transaction.
const MOVIE: usize = 0;
const CLAIM: usize = 1;
const OWNER: usize = 2;

/// The outcome of creating a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The movie exists.
    Created,
    /// The movie with this id has the name.
    NameTaken(Uuid),
    /// The user does not exist, or the account is being deleted.
    OwnerGone,
    /// The user has the maximum number of movies.
    LimitReached,
}

impl Movies {
    /// Creates a movie with the claim on its name, and adds one to the owner's `movie_count`, which may reach `limit`.
    ///
    /// `TransactWriteItems`: put the movie and the claim, on the condition that both are new; update the user, on the
    /// condition that the user is active and below the limit. If the last condition fails, a consistent `GetItem` shows
    /// which of the two was false. IAM: `PutItem`; `UpdateItem` and `GetItem` on `Users`.
    pub async fn create(
        &self,
        movie: &Movie,
        limit: u32,
        users: &Users,
    ) -> Result<CreateOutcome, StoreError> {
        let request = self
            .client
            .transact_write_items()
            .transact_items(item::put_new(&self.table, &MovieItem::from(movie))?)
            .transact_items(self.put_claim(movie.id, movie.name.key())?)
            .transact_items(users.add_to_movie_count(movie.added_by, limit)?);
        let Err(error) = request.send().await else { return Ok(CreateOutcome::Created) };
        let failed = FailedConditions::of(error, &[MOVIE, OWNER])?;
        if failed.at(OWNER).is_some() {
            let active = users.is_active(movie.added_by).await?;
            Ok(if active { CreateOutcome::LimitReached } else { CreateOutcome::OwnerGone })
        } else if let Some(reason) = failed.at(CLAIM) {
            Ok(CreateOutcome::NameTaken(holder_of(reason)?))
        } else {
            Err(StoreError::Corrupt { key: keys::movie(movie.id), problem: "a new id is taken".to_owned() })
        }
    }
}
