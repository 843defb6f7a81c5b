//! Adding a movie.

use super::{MovieItem, Movies, NameClaim};
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
pub enum Insertion {
    /// The movie exists from now on.
    Done,
    /// Another movie has the name.
    NameTaken,
    /// The user who adds it is gone or leaving.
    OwnerGone,
}

impl Movies {
    /// Adds a movie and the claim to its name, and counts it at its owner.
    ///
    /// `TransactWriteItems`: put the movie, put the claim, both only if new; update the user, only while active.
    /// IAM: `PutItem`; `UpdateItem` on the users' table.
    pub async fn insert(&self, movie: &Movie, users: &Users) -> Result<Insertion, StoreError> {
        let claim = NameClaim { pk: keys::name(movie.name.key()), movie_id: movie.id };
        let request = self
            .client
            .transact_write_items()
            .transact_items(item::put_new(&self.table, &MovieItem::from(movie))?)
            .transact_items(item::put_new(&self.table, &claim)?)
            .transact_items(users.count_one_more(movie.added_by)?);
        let Err(error) = request.send().await else { return Ok(Insertion::Done) };
        let failed = FailedConditions::of(error)?;
        if failed.at(2).is_some() {
            Ok(Insertion::OwnerGone)
        } else if failed.at(1).is_some() {
            Ok(Insertion::NameTaken)
        } else {
            Err(StoreError::Corrupt { key: keys::movie(movie.id), problem: "a new id is taken".to_owned() })
        }
    }
}
