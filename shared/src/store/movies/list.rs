//! Listing movies.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Movies, decode_movie};
use crate::{
    model::{Movie, MovieFilter, NamePrefix},
    store::{Cursor, failure::StoreError, item::Item, keys},
};

/// A page of a list of movies.
#[derive(Debug, Default)]
pub struct Page {
    /// The movies, in the order of their canonical names.
    pub movies: Vec<Movie>,
    /// The position where the next page begins; `None` if this is the last page.
    pub next: Option<Cursor>,
}

impl Movies {
    /// Returns up to `limit` movies of a filter after `cursor`, or the first ones, in the order of their canonical names. A
    /// corrupt item is logged and left out, so that it does not hide the others.
    ///
    /// One `Query`, eventually consistent: of the index `owner` if the filter has a user, otherwise of `catalog`. None if
    /// the prefix is longer than any name, because it can be longer than DynamoDB allows. IAM: `Query` on both indexes.
    pub async fn list(
        &self,
        filter: &MovieFilter,
        limit: u16,
        cursor: Option<&Cursor>,
    ) -> Result<Page, StoreError> {
        let prefix = filter.name_prefix.as_ref();
        if !prefix.is_none_or(NamePrefix::can_match) {
            return Ok(Page::default());
        }
        let (index, attribute, partition) = match filter.added_by {
            Some(user) => (keys::OWNER_INDEX, keys::ADDED_BY, user.to_string()),
            None => (keys::CATALOG_INDEX, keys::CATALOG, keys::ALL_MOVIES.to_owned()),
        };
        let mut condition = "#partition = :partition".to_owned();
        let mut request = self.client.query();
        if let Some(prefix) = prefix {
            condition += " AND begins_with(#name_key, :prefix)";
            request = request
                .expression_attribute_names("#name_key", keys::NAME_KEY)
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.key().to_owned()));
        }
        let request = request
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression(condition)
            .expression_attribute_names("#partition", attribute)
            .expression_attribute_values(":partition", AttributeValue::S(partition.clone()))
            // One more than the page holds shows whether there is a next page.
            .limit(i32::from(limit) + 1)
            .set_exclusive_start_key(cursor.map(|cursor| cursor.start_key(attribute, partition)));
        let output = request.send().await?;
        let mut items = output.items.unwrap_or_default();
        let more = items.len() > usize::from(limit) || output.last_evaluated_key.is_some();
        items.truncate(limit.into());
        // A page can be empty without being the last.
        let last = items.last().or(output.last_evaluated_key.as_ref());
        let next = last.filter(|_| more).and_then(Cursor::of);
        Ok(Page { movies: items.into_iter().filter_map(readable).collect(), next })
    }
}

fn readable(item: Item) -> Option<Movie> {
    decode_movie(item).inspect_err(|error| tracing::error!(%error, "an item was left out of the list")).ok()
}
