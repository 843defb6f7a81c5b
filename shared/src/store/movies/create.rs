//! Adding a movie.

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

/// What came of adding a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The movie exists from now on.
    Created,
    /// Another movie, this one, has the name.
    NameTaken(Uuid),
    /// The user who adds it is gone or leaving.
    OwnerGone,
    /// The user who adds it has as many movies as one may have.
    LimitReached,
}

impl Movies {
    /// Adds a movie and the claim to its name, and counts it at its owner, who may have up to `limit` movies.
    ///
    /// `TransactWriteItems`: put the movie, put the claim, both only if new; update the user, only while active and
    /// below the limit. If that last condition fails, a consistent `GetItem` tells which of the two it was. IAM:
    /// `PutItem`; `UpdateItem` and `GetItem` on the users' table.
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
            .transact_items(users.count_one_more(movie.added_by, limit)?);
        let Err(error) = request.send().await else { return Ok(CreateOutcome::Created) };
        let failed = FailedConditions::of(error, &[0, 2])?;
        if failed.at(2).is_some() {
            let user = users.session::<()>(movie.added_by).await?;
            Ok(if user.is_some() { CreateOutcome::LimitReached } else { CreateOutcome::OwnerGone })
        } else if let Some(reason) = failed.at(1) {
            Ok(CreateOutcome::NameTaken(holder_of(reason)?))
        } else {
            Err(StoreError::Corrupt { key: keys::movie(movie.id), problem: "a new id is taken".to_owned() })
        }
    }
}
