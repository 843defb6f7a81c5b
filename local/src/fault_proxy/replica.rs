//! The tables as eventually consistent reads show them.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Mutex,
    time::Duration,
};

use anyhow::Result;
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::items::Item;
use crate::{
    database::{EmbeddedDatabase, Storage, request},
    observed::lock,
    template::TableDefinition,
};

/// A copy of the database that shows each write only after a while. Each item has its own lag, from zero to the
/// longest, so writes to different items can appear out of order, but writes to one item cannot.
pub struct Replica {
    original: Database,
    copy: EmbeddedDatabase,
    longest_lag: Duration,
    /// In the order of the writes.
    pending: Mutex<Vec<Change>>,
}

/// A write that the copy does not show yet.
struct Change {
    due: Instant,
    item: Item,
    /// The item after the write; `None` if it is deleted.
    image: Option<Value>,
}

impl Replica {
    /// Starts a copy that shows what the tables contain now.
    pub async fn start(
        original: &EmbeddedDatabase,
        tables: &[TableDefinition],
        longest_lag: Duration,
    ) -> Result<Self> {
        let copy = EmbeddedDatabase::start(Storage::Memory, 0).await?;
        copy.create_tables(tables)?;
        for table in tables {
            copy.put_items(&table.name, original.items(&table.name)?)?;
        }
        Ok(Self { original: original.engine().clone(), copy, longest_lag, pending: Mutex::default() })
    }

    /// Records that a write to an item has been carried out, so that the copy shows it later.
    pub fn note(&self, item: Item) -> Result<()> {
        // The lock keeps the images of an item in the order of its writes.
        let mut pending = lock(&self.pending);
        let image = self.image_of(&item)?;
        pending.push(Change { due: Instant::now() + self.lag_of(&item), item, image });
        Ok(())
    }

    /// Shows the current state of an item.
    pub fn show(&self, item: Item) -> Result<()> {
        let mut pending = lock(&self.pending);
        pending.retain(|change| change.item != item);
        let image = self.image_of(&item)?;
        self.apply(item, image)
    }

    /// Shows the writes that are due, and returns the address of the copy.
    pub fn endpoint(&self) -> Result<String> {
        let mut pending = lock(&self.pending);
        let now = Instant::now();
        for change in pending.extract_if(.., |change| change.due <= now) {
            self.apply(change.item, change.image)?;
        }
        Ok(self.copy.endpoint())
    }

    fn image_of(&self, item: &Item) -> Result<Option<Value>> {
        let read = json!({"TableName": item.table, "Key": item.key, "ConsistentRead": true});
        let mut found = serde_json::to_value(self.original.get_item(request(read)?)?)?;
        Ok(Some(found["Item"].take()).filter(|image| !image.is_null()))
    }

    fn apply(&self, item: Item, image: Option<Value>) -> Result<()> {
        match image {
            Some(image) => self.copy.put_item(&item.table, image),
            None => self.copy.delete_item(&item.table, item.key),
        }
    }

    /// Returns how long the writes to an item stay hidden. The lag of an item never changes, so its writes appear in order.
    fn lag_of(&self, item: &Item) -> Duration {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        let quarters = u32::try_from(hasher.finish() % 5).unwrap_or_default();
        self.longest_lag * quarters / 4
    }
}
