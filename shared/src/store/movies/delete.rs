//! Deleting a movie.

use uuid::Uuid;

use super::{KeepsChanging, MAX_WRITE_ATTEMPTS, Movies, claim_is_missing, version};
use crate::{
    model::{Session, VersionSet},
    store::{
        SessionFault, Users,
        failure::{FailedConditions, StoreError},
    },
};

/// The positions of items in the transaction.
const MOVIE: usize = 0;
const OWNER: usize = 2;

/// The outcome of deleting a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The movie is deleted and its name free.
    Deleted,
    /// There is no such movie.
    NotFound,
    /// Another user added it.
    NotOwner,
    /// The movie has none of the versions that the client knows.
    VersionMismatch,
    /// The session was not current.
    SessionEnded(SessionFault),
}

impl Movies {
    /// Deletes a movie of the session's user with the claim on its name, and subtracts one from the user's `movie_count`. If
    /// `if_match` is given, the movie must have one of its versions.
    ///
    /// Consistent `GetItem`, then `TransactWriteItems`: delete the movie, on the condition that it still has this owner
    /// and name and, if `if_match` is given, the version that was compared; delete the claim, on the condition that it is the
    /// movie's; update the user, on the condition that the session is current. If the movie has changed in between, both
    /// requests are repeated; if the session has ended, a consistent `GetItem` shows why. IAM: `GetItem`, `DeleteItem`;
    /// `UpdateItem` and `GetItem` on `Users`.
    pub async fn delete(
        &self,
        id: Uuid,
        session: Session,
        if_match: Option<&VersionSet>,
        users: &Users,
    ) -> Result<DeleteOutcome, StoreError> {
        let owner = session.user_id;
        for _ in 0..MAX_WRITE_ATTEMPTS {
            let Some(movie) = self.find(id).await? else { return Ok(DeleteOutcome::NotFound) };
            if movie.added_by != owner {
                return Ok(DeleteOutcome::NotOwner);
            }
            if !version::permitted(if_match, movie.version) {
                return Ok(DeleteOutcome::VersionMismatch);
            }
            let compared = if_match.map(|_| movie.version);
            let request = self
                .client
                .transact_write_items()
                .transact_items(self.delete_unchanged(movie.id, owner, movie.name.key(), compared)?)
                .transact_items(self.release_claim(movie.id, movie.name.key())?)
                .transact_items(users.subtract_from_movie_count(session)?);
            let Err(error) = request.send().await else { return Ok(DeleteOutcome::Deleted) };
            let failed = FailedConditions::of(error, &[MOVIE, OWNER])?;
            if failed.unsettled(MOVIE) {
                continue;
            }
            return if failed.at(OWNER).is_some() {
                Ok(DeleteOutcome::SessionEnded(users.fault_of(session).await?))
            } else {
                Err(claim_is_missing(movie.id))
            };
        }
        Err(KeepsChanging.into())
    }
}
