//! The tables of a template.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolver::Resource;

/// One `AWS::DynamoDB::Table`, as far as a local database needs it. Its other properties (encryption, backups, …) have no
/// meaning on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDefinition {
    /// The table's name in the template.
    #[serde(skip)]
    pub logical_id: String,
    /// `TableName`, or the logical id: the table's name on this machine.
    #[serde(rename = "TableName", default)]
    pub name: String,
    /// The attributes that keys and indexes use, as in `CreateTable`.
    pub attribute_definitions: Vec<Value>,
    /// The primary key, as in `CreateTable`.
    pub key_schema: Value,
    /// The global secondary indexes.
    #[serde(rename = "GlobalSecondaryIndexes", default)]
    pub indexes: Vec<Index>,
    /// The table's stream, if it has one.
    #[serde(rename = "StreamSpecification")]
    pub stream: Option<Stream>,
    /// The attribute by which items expire, if one is set.
    #[serde(rename = "TimeToLiveSpecification")]
    pub time_to_live: Option<TimeToLive>,
}

/// A global secondary index. Its throughput settings have no meaning on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct Index {
    pub index_name: String,
    pub key_schema: Value,
    pub projection: Value,
}

/// What the records of a table's stream contain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct Stream {
    pub stream_view_type: String,
}

/// The attribute by which items expire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct TimeToLive {
    pub attribute_name: String,
    pub enabled: bool,
}

impl TableDefinition {
    /// Returns the `CreateTable` request for this table.
    #[must_use]
    pub fn creation(&self) -> Value {
        let mut table = json!({
            "TableName": self.name,
            "AttributeDefinitions": self.attribute_definitions,
            "KeySchema": self.key_schema,
            "BillingMode": "PAY_PER_REQUEST",
        });
        if !self.indexes.is_empty() {
            table["GlobalSecondaryIndexes"] = json!(self.indexes);
        }
        if let Some(stream) = &self.stream {
            table["StreamSpecification"] =
                json!({"StreamEnabled": true, "StreamViewType": stream.stream_view_type});
        }
        table
    }
}

pub fn read(resource: &Resource) -> Result<TableDefinition> {
    let Resource { logical_id, properties, place, .. } = resource;
    let is_supported = properties["LocalSecondaryIndexes"].is_null();
    ensure!(is_supported, "{place}: LocalSecondaryIndexes are not supported on this machine");
    let mut table: TableDefinition = resource.read()?;
    (*logical_id).clone_into(&mut table.logical_id);
    if table.name.is_empty() {
        table.name.clone_from(&table.logical_id);
    }
    table.time_to_live.take_if(|time_to_live| !time_to_live.enabled);
    Ok(table)
}
