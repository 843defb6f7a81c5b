//! The `Movies` table: movies, and the claims that make their names unique.

mod create;
mod delete;
mod list;
mod purge;
mod update;
mod version;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, CancellationReason, Delete, TransactWriteItem},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use create::CreateOutcome;
pub use delete::DeleteOutcome;
pub use list::Page;
pub use purge::{Candidates, OwnedMovie};
pub use update::{MovieUpdate, UpdateOutcome};

use super::{
    failure::StoreError,
    item::{self, Item},
    keys,
};
use crate::model::{Casts, Genres, Movie, MovieName, Timestamp};

/// How often an operation tries to write a movie that changed between the read and the write. Each conflict means that
/// another request of the movie's owner succeeded, so several in a row mean that the owner sends too many at once.
const MAX_WRITE_ATTEMPTS: usize = 5;

/// The `Movies` table.
#[derive(Debug, Clone)]
pub struct Movies {
    client: Client,
    table: String,
}

#[derive(Serialize, Deserialize)]
struct MovieItem {
    pk: String,
    id: Uuid,
    name: String,
    name_key: String,
    casts: Vec<String>,
    genres: Vec<String>,
    added_by: Uuid,
    created_at: String,
    updated_at: String,
    #[serde(with = "version")]
    version: Uuid,
    catalog: String,
}

#[derive(Serialize, Deserialize)]
struct NameClaim {
    pk: String,
    movie_id: Uuid,
}

impl Movies {
    /// Creates access to the table with this name.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns the movie with this id.
    ///
    /// Consistent `GetItem`. IAM: `GetItem`.
    pub async fn find(&self, id: Uuid) -> Result<Option<Movie>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::movie(id))))
            .consistent_read(true);
        request.send().await?.item.map(decode_movie).transpose()
    }

    /// Returns the part of a transaction that deletes a movie, on the condition that it still has this owner and name and,
    /// if one is given, this version.
    fn delete_unchanged(
        &self,
        id: Uuid,
        owner: Uuid,
        name_key: &str,
        version: Option<Uuid>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::movie(id))))
            .expression_attribute_names("#added_by", keys::ADDED_BY)
            .expression_attribute_names("#name_key", keys::NAME_KEY)
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_string()))
            .expression_attribute_values(":name_key", AttributeValue::S(name_key.to_owned()));
        let mut condition = "#added_by = :owner AND #name_key = :name_key".to_owned();
        if let Some(version) = version {
            condition += " AND #version = :version";
            delete = delete
                .expression_attribute_names("#version", keys::VERSION)
                .expression_attribute_values(":version", version::value(version));
        }
        let delete = delete.condition_expression(condition).build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Returns the part of a transaction that claims a name for a movie, on the condition that the name is free. If it is
    /// not, [`holder_of`] returns the movie that has it.
    fn put_claim(&self, id: Uuid, name_key: &str) -> Result<TransactWriteItem, StoreError> {
        let claim = NameClaim { pk: keys::name(name_key), movie_id: id };
        item::put_new_returning_old(&self.table, &claim)
    }

    /// Returns the part of a transaction that deletes a claim on a name, on the condition that it is the movie's.
    fn release_claim(&self, id: Uuid, name_key: &str) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(keys::name(name_key))))
            .condition_expression("#movie_id = :movie_id")
            .expression_attribute_names("#movie_id", "movie_id")
            .expression_attribute_values(":movie_id", AttributeValue::S(id.to_string()))
            .build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

/// The movie changed between each read and the write that followed.
#[derive(Debug, thiserror::Error)]
#[error("the movie kept changing")]
struct KeepsChanging;

impl From<KeepsChanging> for StoreError {
    fn from(error: KeepsChanging) -> Self {
        Self::Contended { cause: error.into() }
    }
}

/// Returns the movie that has a name, from the reason why a claim on that name failed.
fn holder_of(reason: &CancellationReason) -> Result<Uuid, StoreError> {
    let claim: NameClaim = item::decode(reason.item().cloned().unwrap_or_default())?;
    Ok(claim.movie_id)
}

/// Returns the error for a movie that does not hold the claim on its name. One transaction writes both, so this state is
/// never reached.
fn claim_is_missing(id: Uuid) -> StoreError {
    StoreError::Corrupt { key: keys::movie(id), problem: "it does not hold the claim on its name".to_owned() }
}

impl From<&Movie> for MovieItem {
    fn from(movie: &Movie) -> Self {
        Self {
            pk: keys::movie(movie.id),
            id: movie.id,
            name: movie.name.as_str().to_owned(),
            name_key: movie.name.key().to_owned(),
            casts: movie.casts.as_slice().to_vec(),
            genres: movie.genres.as_slice().to_vec(),
            added_by: movie.added_by,
            created_at: movie.created_at.to_string(),
            updated_at: movie.updated_at.to_string(),
            version: movie.version,
            catalog: keys::ALL_MOVIES.to_owned(),
        }
    }
}

fn decode_movie(item: Item) -> Result<Movie, StoreError> {
    let item: MovieItem = item::decode(item)?;
    let time = |text: &str, attribute: &str| {
        Timestamp::parse(text).ok_or_else(|| StoreError::Corrupt {
            key: item.pk.clone(),
            problem: format!("{attribute} is not a time"),
        })
    };
    Ok(Movie {
        id: item.id,
        created_at: time(&item.created_at, "created_at")?,
        updated_at: time(&item.updated_at, "updated_at")?,
        name: MovieName::from_stored(item.name, item.name_key),
        casts: Casts::from_stored(item.casts),
        genres: Genres::from_stored(item.genres),
        added_by: item.added_by,
        version: item.version,
    })
}
