//! The embedded `DynamoDB`: dynoxide, served on 127.0.0.1 only, and to no web page.
//!
//! Its modules, each of which uses only those before it: `tables`, `operations`, `guard`, `server`.

mod guard;
mod operations;
mod server;
mod tables;

use std::{
    fs::{File, TryLockError},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use dynoxide::{Database, ImportOptions};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::template::TableDefinition;
pub(crate) use tables::request;

/// Where the data is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until the database is dropped.
    Memory,
    /// In a file in this folder, which is created if it is missing.
    Directory(PathBuf),
}

/// A running database. It stops when it is dropped.
pub struct EmbeddedDatabase {
    database: Database,
    address: SocketAddr,
    // Dropping it stops the server.
    shutdown: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<()>>,
    _lock: Option<File>,
}

impl EmbeddedDatabase {
    /// Starts a database without tables on 127.0.0.1; port 0 chooses a free port.
    pub async fn start(storage: Storage, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("the database cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr()?;
        let (database, lock) = match &storage {
            Storage::Memory => (Database::memory()?, None),
            Storage::Directory(directory) => {
                let lock = lock(directory)?;
                let file = directory.join("dynamodb.sqlite");
                let file = file.to_str().context("the path of the database is not UTF-8")?;
                (Database::new(file).with_context(|| format!("cannot open the database {file}"))?, Some(lock))
            }
        };
        let (shutdown, stopped) = oneshot::channel();
        let server = tokio::spawn(server::serve(listener, database.clone(), stopped));
        Ok(Self { database, address, shutdown: Some(shutdown), server, _lock: lock })
    }

    /// Returns the address for `AWS_ENDPOINT_URL_DYNAMODB`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the database engine.
    pub(crate) fn engine(&self) -> &Database {
        &self.database
    }

    /// Creates the tables that are missing. An existing table with another key, index or stream is an error: its data
    /// cannot be moved.
    pub fn create_tables(&self, definitions: &[TableDefinition]) -> Result<()> {
        definitions.iter().try_for_each(|definition| tables::create(&self.database, definition))
    }

    /// Returns every item of a table, in `DynamoDB` JSON.
    pub fn items(&self, table: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut scan = json!({"TableName": table});
        loop {
            let page = serde_json::to_value(self.database.scan(request(scan.clone())?)?)?;
            items.extend(page["Items"].as_array().into_iter().flatten().cloned());
            match page.get("LastEvaluatedKey") {
                Some(key) if !key.is_null() => scan["ExclusiveStartKey"] = key.clone(),
                _ => return Ok(items),
            }
        }
    }

    /// Writes one item, given in `DynamoDB` JSON, over any item with its key.
    pub fn put_item(&self, table: &str, item: Value) -> Result<()> {
        let mut write = json!({"TableName": table});
        write["Item"] = item;
        self.database.put_item(request(write)?)?;
        Ok(())
    }

    /// Writes many items at once: tens of thousands take about a second. They do not appear in the table's stream.
    pub fn put_items(&self, table: &str, items: Vec<Value>) -> Result<()> {
        let items = items.into_iter().map(request).collect::<Result<_>>()?;
        self.database.import_items(table, items, ImportOptions::default())?;
        Ok(())
    }

    /// Deletes the item with this key, given in `DynamoDB` JSON, if it exists.
    pub fn delete_item(&self, table: &str, key: Value) -> Result<()> {
        let mut deletion = json!({"TableName": table});
        deletion["Key"] = key;
        self.database.delete_item(request(deletion)?)?;
        Ok(())
    }

    /// Stops the server, and waits at most a second for the requests that it is serving.
    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        // A client that keeps its connection open would delay the shutdown forever; every commit is on disk already.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.server).await;
    }
}

/// Locks the folder, because two databases on one file would corrupt each other's caches.
pub(crate) fn lock(directory: &Path) -> Result<File> {
    let place = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {place}"))?;
    let file = File::create(directory.join("lock")).with_context(|| format!("cannot write to {place}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{place} is in use by another process"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {place}")),
    }
}

/// Starts a database with the tables of the repository's template.
#[cfg(test)]
pub(crate) async fn with_tables(storage: Storage) -> EmbeddedDatabase {
    let database = EmbeddedDatabase::start(storage, 0).await.expect("a database");
    database.create_tables(crate::fixture::template().tables()).expect("tables");
    database
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::template;

    fn movie() -> Value {
        json!({"pk": {"S": "movie#1"}})
    }

    #[tokio::test]
    async fn data_survives_a_restart_and_only_one_process_may_open_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = Storage::Directory(folder.path().join("data"));
        let first = EmbeddedDatabase::start(storage.clone(), 0).await.expect("a database");
        let (last, others) =
            template().tables().split_last().map(|(l, o)| (l.clone(), o.to_vec())).expect("tables");
        first.create_tables(&others).expect("all tables but one");
        first.put_item("MoviesTable", movie()).expect("an item");
        let error = EmbeddedDatabase::start(storage.clone(), 0).await.err().expect("the folder is in use");
        assert!(error.to_string().contains("is in use by another process"), "{error}");
        first.stop().await;
        // The same tables again, and one that is new in the template.
        let second = with_tables(storage).await;
        assert!(second.items(&last.name).expect("items").is_empty());
        assert_eq!(second.items("MoviesTable").expect("items"), [movie()]);
        second.delete_item("MoviesTable", movie()).expect("deletion");
        assert!(second.items("MoviesTable").expect("items").is_empty());
    }

    #[tokio::test]
    async fn ten_thousand_items_are_written_and_read_back() {
        let database = with_tables(Storage::Memory).await;
        let item = |n: usize| json!({"pk": {"S": n.to_string()}, "text": {"S": "y".repeat(300)}});
        database.put_items("MoviesTable", (0..10_000).map(item).collect()).expect("items");
        assert_eq!(database.items("MoviesTable").expect("items").len(), 10_000);
    }

    #[tokio::test]
    async fn a_table_that_differs_from_the_template_is_refused_with_advice() {
        let database = with_tables(Storage::Memory).await;
        let mut tables = template().tables().to_vec();
        let movies = tables.iter_mut().find(|table| table.name == "MoviesTable").expect("the table");
        movies.indexes[0].projection["ProjectionType"] = json!("KEYS_ONLY");
        let error = database.create_tables(&tables).expect_err("another projection").to_string();
        assert_eq!(
            error,
            "the table MoviesTable in the database differs from template.yaml in its indexes; \
             delete the folder .local to start with an empty database"
        );
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
        let error = EmbeddedDatabase::start(Storage::Memory, first.port()).await.err().expect("a taken port");
        assert!(format!("{error:#}").starts_with("the database cannot listen on 127.0.0.1:"), "{error:#}");
    }
}
