//! The tables of a template.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Resource, intrinsics::Resolver};

/// One `AWS::DynamoDB::Table`, as far as a local database needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// The table's name in the template.
    pub logical_id: String,
    /// `TableName`, or the logical id: what the table is called on this machine.
    pub name: String,
    /// The attributes that keys and indexes use.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The primary key.
    pub key_schema: Vec<KeyElement>,
    /// The global secondary indexes.
    pub indexes: Vec<Index>,
    /// The table's stream, if it has one.
    pub stream: Option<Stream>,
    /// The attribute by which items expire, if one is set and enabled.
    pub time_to_live: Option<TimeToLive>,
}

/// The type of an attribute that a key uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct AttributeDefinition {
    pub attribute_name: String,
    pub attribute_type: String,
}

/// One part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct KeyElement {
    pub attribute_name: String,
    pub key_type: String,
}

/// A global secondary index. Its throughput settings have no meaning on this machine and are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct Index {
    pub index_name: String,
    pub key_schema: Vec<KeyElement>,
    pub projection: Projection,
}

/// The attributes an index holds besides the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct Projection {
    pub projection_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_key_attributes: Vec<String>,
}

/// What a table's stream carries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct Stream {
    pub stream_view_type: String,
}

/// The attribute by which items expire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "these are DynamoDB's own names")]
pub struct TimeToLive {
    pub attribute_name: String,
    pub enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    table_name: Option<String>,
    attribute_definitions: Vec<AttributeDefinition>,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    stream_specification: Option<Stream>,
    time_to_live_specification: Option<TimeToLive>,
}

/// Other properties (encryption, backups, tags, …) mean nothing here and may use intrinsics that need a real stack.
const USED: [&str; 6] = [
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "StreamSpecification",
    "TimeToLiveSpecification",
];

pub(super) fn read(resolver: &Resolver, resource: &Resource) -> Result<TableDefinition> {
    let Resource { logical_id, properties, place } = resource;
    ensure!(
        !properties.contains_key("LocalSecondaryIndexes"),
        "{place}: LocalSecondaryIndexes are not supported on this machine"
    );
    let used = properties.iter().filter(|(name, _)| USED.contains(&name.as_str()));
    let used = Value::Object(used.map(|(name, value)| (name.clone(), value.clone())).collect());
    let used = resolver.resolve(&used, place)?;
    let properties: Properties = serde_json::from_value(used).with_context(|| place.to_string())?;
    Ok(TableDefinition {
        logical_id: (*logical_id).to_owned(),
        name: properties.table_name.unwrap_or_else(|| (*logical_id).to_owned()),
        attribute_definitions: properties.attribute_definitions,
        key_schema: properties.key_schema,
        indexes: properties.global_secondary_indexes,
        stream: properties.stream_specification,
        time_to_live: properties.time_to_live_specification.filter(|time_to_live| time_to_live.enabled),
    })
}

#[cfg(test)]
mod tests {
    use crate::template::Template;

    const MOVIES: &str = "
Resources:
  MoviesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      KMSKey: !GetAtt Key.Arn
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: catalog, AttributeType: S}
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: catalog
          KeySchema: [{AttributeName: catalog, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      StreamSpecification: {StreamViewType: KEYS_ONLY}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
";

    #[test]
    fn a_table_is_read_with_its_index_stream_and_time_to_live() {
        let template = Template::parse(MOVIES).expect("a valid template");
        let [table] = template.tables() else { panic!("one table expected") };
        assert_eq!((table.logical_id.as_str(), table.name.as_str()), ("MoviesTable", "MoviesTable"));
        assert_eq!(table.indexes[0].projection.projection_type, "ALL");
        assert_eq!(table.stream.as_ref().expect("a stream").stream_view_type, "KEYS_ONLY");
        assert_eq!(table.time_to_live.as_ref().expect("a time to live").attribute_name, "expires_at");
    }

    #[test]
    fn a_broken_table_is_named_with_its_place() {
        let broken = MOVIES.replace("KeySchema: [{AttributeName: pk, KeyType: HASH}]", "");
        let error = format!("{:#}", Template::parse(&broken).expect_err("a table without a key"));
        assert_eq!(error, "Resources.MoviesTable.Properties: missing field `KeySchema`");
    }
}
