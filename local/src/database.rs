//! The embedded `DynamoDB`: dynoxide, served on this machine's loopback address only, and to no web page.

mod guard;
mod tables;

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use dynoxide::{Database, ImportOptions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use crate::{loopback::hidden_listener, template::TableDefinition};

/// Where the data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone when the database is dropped.
    Memory,
    /// In a file in this folder, which is made when it is missing.
    Directory(PathBuf),
}

/// A running database. It stops when it is dropped.
pub struct EmbeddedDatabase {
    database: Database,
    address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), String>>,
    // Dropping the set closes the door.
    _guard: JoinSet<Result<()>>,
    _lock: Option<File>,
}

impl EmbeddedDatabase {
    /// Starts a database without tables on 127.0.0.1; port 0 takes any free one.
    pub async fn start(storage: Storage, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("the database cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr()?;
        let (database, lock) = match &storage {
            Storage::Memory => (Database::memory()?, None),
            Storage::Directory(directory) => {
                let lock = lock(directory)?;
                let file = directory.join("dynamodb.sqlite");
                let file = file.to_str().context("the database's folder has a name that is not UTF-8")?;
                (Database::new(file).with_context(|| format!("cannot open the database {file}"))?, Some(lock))
            }
        };
        let inner = hidden_listener().await?;
        let mut guard = JoinSet::new();
        guard.spawn(guard::serve(listener, inner.local_addr()?));
        let (shutdown, stopped) = oneshot::channel::<()>();
        let server =
            tokio::spawn(dynoxide::server::serve_with_shutdown(inner, database.clone(), async move {
                // An error means that the sender is gone, which is a shutdown too.
                let _ = stopped.await;
            }));
        Ok(Self { database, address, shutdown: Some(shutdown), server, _guard: guard, _lock: lock })
    }

    /// The address for `AWS_ENDPOINT_URL_DYNAMODB`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The database itself.
    pub(crate) fn engine(&self) -> &Database {
        &self.database
    }

    /// Creates the tables that are missing. A table that exists with other keys, indexes or stream is an error: its
    /// data cannot be moved.
    pub fn create_tables(&self, definitions: &[TableDefinition]) -> Result<()> {
        definitions.iter().try_for_each(|definition| tables::create(&self.database, definition))
    }

    /// Every item of a table, in `DynamoDB` JSON.
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

    /// Writes one item, given in `DynamoDB` JSON, over whatever is there.
    pub fn put_item(&self, table: &str, item: Value) -> Result<()> {
        let mut write = json!({"TableName": table});
        write["Item"] = item;
        self.database.put_item(request(write)?)?;
        Ok(())
    }

    /// Writes many items at once: tens of thousands take a second or so. They do not appear in the table's stream.
    pub fn put_items(&self, table: &str, items: Vec<Value>) -> Result<()> {
        let items = items.into_iter().map(request).collect::<Result<_>>()?;
        self.database.import_items(table, items, ImportOptions::default())?;
        Ok(())
    }

    /// Deletes the item with this key, given in `DynamoDB` JSON; no error if there is none.
    pub fn delete_item(&self, table: &str, key: Value) -> Result<()> {
        let mut deletion = json!({"TableName": table});
        deletion["Key"] = key;
        self.database.delete_item(request(deletion)?)?;
        Ok(())
    }

    /// Stops the server and waits until the requests being served are done, at most a second.
    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        // A client that keeps its connection open would hold the shutdown for ever; every commit is on disk already.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.server).await;
    }
}

/// Two databases on one file would corrupt each other's caches.
fn lock(directory: &Path) -> Result<File> {
    let place = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {place}"))?;
    let file = File::create(directory.join("lock")).with_context(|| format!("cannot write to {place}"))?;
    file.try_lock().map_err(|error| anyhow!("{place} is in use by another process ({error})"))?;
    Ok(file)
}

/// A dynoxide request from `DynamoDB` JSON.
pub(crate) fn request<Request: DeserializeOwned>(value: Value) -> Result<Request> {
    serde_json::from_value(value)
        .map_err(|error| anyhow!("{}", error.to_string().trim_start_matches("VALIDATION:")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    const TEMPLATE: &str = "
Resources:
  MoviesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: catalog, AttributeType: S}
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: catalog
          KeySchema: [{AttributeName: catalog, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
";

    #[tokio::test]
    async fn data_survives_a_restart_and_one_process_at_a_time_may_open_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = Storage::Directory(folder.path().join("data"));
        let template = Template::parse(TEMPLATE).expect("a template");
        let first = EmbeddedDatabase::start(storage.clone(), 0).await.expect("a database");
        first.create_tables(template.tables()).expect("tables");
        first.put_item("MoviesTable", json!({"pk": {"S": "movie#1"}})).expect("an item");
        let error = EmbeddedDatabase::start(storage.clone(), 0).await.err().expect("the folder is in use");
        assert!(error.to_string().contains("is in use by another process"), "{error}");
        first.stop().await;
        let second = EmbeddedDatabase::start(storage, 0).await.expect("a database");
        second.create_tables(template.tables()).expect("the same tables");
        assert_eq!(second.items("MoviesTable").expect("items"), [json!({"pk": {"S": "movie#1"}})]);
        second.delete_item("MoviesTable", json!({"pk": {"S": "movie#1"}})).expect("deletion");
        assert!(second.items("MoviesTable").expect("items").is_empty());
    }

    #[tokio::test]
    async fn ten_thousand_items_are_written_and_read_back() {
        let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
        database.create_tables(Template::parse(TEMPLATE).expect("a template").tables()).expect("tables");
        let item = |n: usize| json!({"pk": {"S": n.to_string()}, "catalog": {"S": "x"}, "text": {"S": "y".repeat(300)}});
        database.put_items("MoviesTable", (0..10_000).map(item).collect()).expect("items");
        assert_eq!(database.items("MoviesTable").expect("items").len(), 10_000);
    }

    #[tokio::test]
    async fn a_table_that_differs_from_the_template_is_refused_with_advice() {
        let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
        database.create_tables(Template::parse(TEMPLATE).expect("a template").tables()).expect("tables");
        let changed = TEMPLATE.replace("ProjectionType: ALL", "ProjectionType: KEYS_ONLY");
        let changed = Template::parse(&changed).expect("a template");
        let error = database.create_tables(changed.tables()).expect_err("another projection").to_string();
        assert_eq!(
            error,
            "the table MoviesTable in the database differs from template.yaml in its indexes; \
             delete the folder .local to start afresh"
        );
    }

    #[tokio::test]
    async fn a_table_that_is_new_in_the_template_joins_the_data_of_an_earlier_run() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = Storage::Directory(folder.path().to_owned());
        let first = EmbeddedDatabase::start(storage.clone(), 0).await.expect("a database");
        first.create_tables(Template::parse(TEMPLATE).expect("a template").tables()).expect("tables");
        first.put_item("MoviesTable", json!({"pk": {"S": "movie#1"}})).expect("an item");
        first.stop().await;
        let account_deletions = "  AccountDeletionsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: user_id, AttributeType: S}]
      KeySchema: [{AttributeName: user_id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}
";
        let grown = Template::parse(&format!("{TEMPLATE}{account_deletions}")).expect("a template");
        let second = EmbeddedDatabase::start(storage, 0).await.expect("a database");
        second.create_tables(grown.tables()).expect("one more table");
        assert_eq!(second.items("MoviesTable").expect("items").len(), 1);
        assert!(second.items("AccountDeletionsTable").expect("items").is_empty());
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
        let error = EmbeddedDatabase::start(Storage::Memory, first.port()).await.err().expect("a taken port");
        assert!(format!("{error:#}").starts_with("the database cannot listen on 127.0.0.1:"), "{error:#}");
    }
}
