//! Files with catalogs of several sizes, filled once and kept for later runs. Each size has a folder of its own, which
//! exists only once the catalog is complete.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use dynoxide::{Database, ImportOptions};
use local::{
    database::{EmbeddedDatabase, Storage},
    template::TableDefinition,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::catalog::{ITEMS, Model};

/// How many movies are written in one transaction. `BatchWriteItem`, which takes 25 items, would take nearly four times
/// as long, even without HTTP.
const BATCH: usize = 5_000;

/// The file of a database, as [`EmbeddedDatabase`] calls it.
const DATABASE: &str = "dynamodb.sqlite";

/// The catalogs of one shape.
pub struct Loader {
    folder: PathBuf,
    /// The folder of the copies, which are deleted when this is dropped.
    copies: TempDir,
    tables: Vec<TableDefinition>,
    /// The name of the table that holds the movies.
    table: String,
    model: Model,
    _lock: File,
}

impl Loader {
    /// Opens a folder for catalogs of these items in this table, and creates it if it is missing. Deletes copies that
    /// an earlier run has left, and catalogs of another shape. Fails if another process uses the folder.
    pub fn new(root: &Path, tables: &[TableDefinition], table: &str, model: Model) -> Result<Self> {
        let place = root.display();
        fs::create_dir_all(root).with_context(|| format!("cannot create {place}"))?;
        let lock = File::create(root.join("lock")).with_context(|| format!("cannot write to {place}"))?;
        lock.try_lock().map_err(|error| anyhow!("{place} is in use by another process ({error})"))?;
        let folder = root.join(model.fingerprint(tables)?);
        for other in fs::read_dir(root)? {
            let other = other?.path();
            if other.is_dir() && other != folder {
                delete(&other)?;
            }
        }
        let (copies, tables, table) = (TempDir::new_in(root)?, tables.to_vec(), table.to_owned());
        Ok(Self { folder, copies, tables, table, model, _lock: lock })
    }

    /// Returns whether the catalog of this size is complete.
    pub fn is_loaded(&self, movies: u64) -> bool {
        self.folder(movies).exists()
    }

    /// Loads the catalog of this size.
    pub async fn load(&self, movies: u64) -> Result<()> {
        let loading = self.folder.join("loading");
        // An interrupted load has left an incomplete catalog there.
        delete(&loading)?;
        fs::create_dir_all(&loading).with_context(|| format!("cannot create {}", loading.display()))?;
        let database = EmbeddedDatabase::start(Storage::Directory(loading.clone()), 0).await?;
        database.create_tables(&self.tables)?;
        database.stop().await;
        self.fill(movies, &loading.join(DATABASE))?;
        Ok(fs::rename(loading, self.folder(movies))?)
    }

    fn fill(&self, movies: u64, file: &Path) -> Result<()> {
        let database = Database::new(file.to_str().context("a folder has a name that is not UTF-8")?)?;
        // Nothing is synchronized to disk before the end; an interrupted load starts again.
        database.enable_bulk_loading()?;
        for begin in (0..movies).step_by(BATCH) {
            let end = movies.min(begin + BATCH as u64);
            let items = (begin..end).map(|number| self.model.movie(number)).collect::<Result<Vec<_>>>()?;
            database.import_items(&self.table, items.concat(), ImportOptions::default())?;
        }
        database.disable_bulk_loading()?;
        let request = serde_json::from_value(json!({"TableName": self.table}))?;
        let described: Value = serde_json::to_value(database.describe_table(request)?)?;
        let (count, expected) = (&described["Table"]["ItemCount"], movies * ITEMS as u64);
        ensure!(*count == expected, "there are {count} items instead of {expected}");
        // The last connection writes its log into the file and deletes it.
        drop(database);
        Ok(File::open(file)?.sync_all()?)
    }

    /// Returns a copy of the catalog of this size, for one run to write into.
    pub fn copy(&self, movies: u64) -> Result<Storage> {
        let (from, folder) = (self.folder(movies), self.copies.path().join(movies.to_string()));
        let log = from.join(format!("{DATABASE}-wal"));
        ensure!(!log.exists(), "{} was not closed", from.display());
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let copy = folder.join(DATABASE);
        fs::copy(from.join(DATABASE), &copy).with_context(|| format!("cannot copy {}", from.display()))?;
        // Writes to disk that are still to come would disturb the measurements.
        File::open(&copy)?.sync_all()?;
        Ok(Storage::Directory(folder))
    }

    fn folder(&self, movies: u64) -> PathBuf {
        self.folder.join(movies.to_string())
    }
}

/// Deletes a folder, if it exists.
fn delete(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
