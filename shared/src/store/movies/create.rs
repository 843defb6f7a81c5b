//! Creating a movie.

use uuid::Uuid;

use super::{MovieItem, Movies, holder_of};
use crate::{
    model::{Movie, Session},
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
    /// The user has the maximum number of movies, or the session has ended: both are parts of one condition, which a read
    /// of the session tells apart.
    LimitReached,
}

impl Movies {
    /// Creates a movie of the session's user with the claim on its name, and adds one to the user's `movie_count`, which
    /// may reach `limit`.
    ///
    /// `TransactWriteItems`: put the movie and the claim, on the condition that both are new; update the user, on the
    /// condition that the session is current and the user is below the limit. IAM: `PutItem`; `UpdateItem` on `Users`.
    pub async fn create(
        &self,
        movie: &Movie,
        session: Session,
        limit: u32,
        users: &Users,
    ) -> Result<CreateOutcome, StoreError> {
        let request = self
            .client
            .transact_write_items()
            .transact_items(item::put_new(&self.table, &MovieItem::from(movie))?)
            .transact_items(self.put_claim(movie.id, movie.name.key())?)
            .transact_items(users.add_to_movie_count(session, limit)?);
        let Err(error) = request.send().await else { return Ok(CreateOutcome::Created) };
        let failed = FailedConditions::of(error, &[MOVIE, OWNER])?;
        if failed.at(OWNER).is_some() {
            Ok(CreateOutcome::LimitReached)
        } else if let Some(reason) = failed.at(CLAIM) {
            Ok(CreateOutcome::NameTaken(holder_of(reason)?))
        } else {
            Err(StoreError::Corrupt { key: keys::movie(movie.id), problem: "a new id is taken".to_owned() })
        }
    }
}
