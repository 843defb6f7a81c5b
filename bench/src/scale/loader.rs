//! Files with catalogs of several sizes, filled once and kept for later runs.
//!
//! Each size has a folder of its own, which begins as a copy of the next smaller one. What was loaded is written down
//! after each batch, so that a load that was interrupted goes on from there: at worst one batch is written a second time,
//! and each movie follows from its number, so that this changes nothing.

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use dynoxide::{Database, ImportOptions, Item};
use local::{
    database::{EmbeddedDatabase, Storage},
    template::TableDefinition,
};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_blocking};

use super::catalog::{ITEMS, Model};

/// How many movies are written in one transaction. More would be a little quicker, but a load that is interrupted would
/// lose more, and a progress bar jump. By `BatchWriteItem`, which takes 25 items, it would take nearly four times as
/// long, without HTTP in between.
const BATCH: u64 = 5_000;

/// How many batches are prepared while one is written. The database lets one write at a time, and that takes six times
/// as long as the preparation: two keep the writer busy on any number of cores, and several writers were no quicker.
const AHEAD: usize = 2;

/// The file of a database, as [`EmbeddedDatabase`] calls it.
const DATABASE: &str = "dynamodb.sqlite";

/// Beside it: how many movies it has for sure.
const LOADED: &str = "loaded";

/// The catalogs of one shape.
pub struct Loader {
    root: PathBuf,
    folder: PathBuf,
    tables: Vec<TableDefinition>,
    /// The name of the table that movies go into.
    table: String,
    model: Arc<Model>,
    _lock: File,
}

impl Loader {
    /// Takes a folder, which is made when it is missing, for catalogs with these items in this table. What is there of
    /// catalogs of another shape can be of no use any more, and is deleted. It is an error if another process loads or
    /// measures there.
    pub fn new(root: &Path, tables: &[TableDefinition], table: &str, model: Model) -> Result<Self> {
        let place = root.display();
        fs::create_dir_all(root).with_context(|| format!("cannot create {place}"))?;
        let lock = File::create(root.join("lock")).with_context(|| format!("cannot write to {place}"))?;
        lock.try_lock().map_err(|error| anyhow!("{place} is in use by another process ({error})"))?;
        let folder = root.join(model.fingerprint(tables)?);
        for other in fs::read_dir(root)? {
            let other = other?.path();
            if other.is_dir() && other != folder {
                fs::remove_dir_all(&other).with_context(|| format!("cannot delete {}", other.display()))?;
            }
        }
        Ok(Self {
            root: root.to_owned(),
            folder,
            tables: tables.to_vec(),
            table: table.to_owned(),
            model: Arc::new(model),
            _lock: lock,
        })
    }

    /// The model of every movie.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How many movies the catalog of this size has for sure.
    pub fn loaded(&self, movies: u64) -> Result<u64> {
        let path = self.of(movies).join(LOADED);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().with_context(|| format!("{} holds no number", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Loads what is missing of the catalog of this size. `progress` is told how many movies are there, at first and
    /// then after each batch, before that is written down; an error of it ends the load.
    pub async fn load(&self, movies: u64, mut progress: impl FnMut(u64) -> Result<()>) -> Result<()> {
        if self.loaded(movies)? == movies {
            return Ok(());
        }
        let folder = self.of(movies);
        self.begin(movies, &folder)?;
        // With an interrupted load of this size or the copy of a smaller one; tables that exist are only compared.
        let tables = EmbeddedDatabase::start(Storage::Directory(folder.clone()), 0).await?;
        tables.create_tables(&self.tables)?;
        tables.stop().await;
        let advice = || format!("cannot fill {}; delete it to start afresh", folder.display());
        self.fill(movies, &folder, &mut progress).await.with_context(advice)
    }

    async fn fill(
        &self,
        movies: u64,
        folder: &Path,
        progress: &mut impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let file = folder.join(DATABASE);
        let database = Database::new(file.to_str().context("a folder has a name that is not UTF-8")?)?;
        // Nothing waits for the disk before the end; what a crash of the machine leaves is counted then.
        database.enable_bulk_loading()?;
        let mut done = self.loaded(movies)?;
        progress(done)?;
        let mut next = done;
        let mut prepared: VecDeque<JoinHandle<Result<Vec<Item>>>> = VecDeque::new();
        while done < movies {
            while prepared.len() <= AHEAD && next < movies {
                let (model, end) = (Arc::clone(&self.model), movies.min(next + BATCH));
                prepared.push_back(spawn_blocking(move || items(&model, next, end)));
                next = end;
            }
            let items = prepared.pop_front().context("nothing was prepared")?.await??;
            let (writer, table) = (database.clone(), self.table.clone());
            spawn_blocking(move || writer.import_items(&table, items, ImportOptions::default())).await??;
            done = movies.min(done + BATCH);
            progress(done)?;
            if done < movies {
                write_down(folder, done)?;
            }
        }
        database.disable_bulk_loading()?;
        let count = self.count(&database)?;
        let expected = movies * ITEMS as u64;
        ensure!(count == expected, "there are {count} items instead of {expected}");
        // The last connection writes its log into the file and deletes it.
        drop(database);
        File::open(&file)?.sync_all()?;
        write_down(folder, movies)
    }

    /// A copy of the catalog of this size, for one run to write into. The last run's copy is gone then.
    pub fn copy(&self, movies: u64) -> Result<Storage> {
        let folder = self.root.join("run").join(movies.to_string());
        self.copy_into(movies, &folder)?;
        Ok(Storage::Directory(folder))
    }

    /// Deletes all copies.
    pub fn delete_copies(&self) -> Result<()> {
        let copies = self.root.join("run");
        if copies.exists() { fs::remove_dir_all(copies).context("cannot delete the copies") } else { Ok(()) }
    }

    /// The size of the file with the catalog of this size, in bytes.
    pub fn bytes(&self, movies: u64) -> Result<u64> {
        Ok(fs::metadata(self.of(movies).join(DATABASE))?.len())
    }

    fn of(&self, movies: u64) -> PathBuf {
        self.folder.join(movies.to_string())
    }

    /// Begins with the largest catalog that is smaller, unless this one has begun.
    fn begin(&self, movies: u64, folder: &Path) -> Result<()> {
        if folder.join(DATABASE).exists() {
            return Ok(());
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut smaller = 0;
        for other in fs::read_dir(&self.folder)? {
            let size = other?.file_name().to_str().and_then(|name| name.parse().ok()).unwrap_or(0);
            if size < movies && size > smaller && self.loaded(size)? == size {
                smaller = size;
            }
        }
        if smaller == 0 {
            return Ok(());
        }
        self.copy_into(smaller, folder)?;
        write_down(folder, smaller)
    }

    fn copy_into(&self, movies: u64, folder: &Path) -> Result<()> {
        let from = self.of(movies).join(DATABASE);
        let log = self.of(movies).join(format!("{DATABASE}-wal"));
        ensure!(!log.exists(), "{} was not closed", from.display());
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // Under its own name only when it is whole.
        let (part, whole) = (folder.join("copying"), folder.join(DATABASE));
        fs::copy(&from, &part).with_context(|| format!("cannot copy {}", from.display()))?;
        // What is still to be written to disk would be in the way of what is measured.
        File::open(&part)?.sync_all()?;
        Ok(fs::rename(part, whole)?)
    }

    fn count(&self, database: &Database) -> Result<u64> {
        let request = serde_json::from_value(json!({"TableName": self.table}))?;
        let described: Value = serde_json::to_value(database.describe_table(request)?)?;
        described["Table"]["ItemCount"].as_u64().context("the database does not count")
    }
}

fn items(model: &Model, from: u64, end: u64) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for number in from..end {
        items.extend(model.movie(number)?);
    }
    Ok(items)
}

/// Writes the number of loaded movies down: the old one or the new one is there at any moment.
fn write_down(folder: &Path, movies: u64) -> Result<()> {
    let (new, place) = (folder.join("loaded.new"), folder.join(LOADED));
    fs::write(&new, movies.to_string()).with_context(|| format!("cannot write {}", new.display()))?;
    Ok(fs::rename(new, place)?)
}

#[cfg(test)]
mod tests;
