//! Creates the tables of the template in the embedded database.

use anyhow::{Context as _, Result, anyhow, bail};
use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::template::{Index, TableDefinition};

/// Returns a dynoxide request from `DynamoDB` JSON.
pub fn request<Request: DeserializeOwned>(value: Value) -> Result<Request> {
    serde_json::from_value(value)
        .map_err(|error| anyhow!("{}", error.to_string().trim_start_matches("VALIDATION:")))
}

/// Creates a table, or checks that the existing one is the same.
pub fn create(database: &Database, definition: &TableDefinition) -> Result<()> {
    let name = &definition.name;
    match database.describe_table(request(json!({"TableName": name}))?) {
        Ok(existing) => check(&serde_json::to_value(existing)?["Table"], definition)?,
        Err(DynoxideError::ResourceNotFoundException(_)) => {
            let created = request(definition.creation()).and_then(|table| Ok(database.create_table(table)?));
            created.with_context(|| format!("cannot create the table {name}"))?;
        }
        Err(error) => bail!("cannot describe the table {name}: {error}"),
    }
    set_time_to_live(database, definition).with_context(|| format!("cannot set the time to live of {name}"))
}

fn check(existing: &Value, definition: &TableDefinition) -> Result<()> {
    let sorted = |attributes: &[Value]| {
        let mut attributes = attributes.to_vec();
        attributes.sort_by_key(|attribute| attribute["AttributeName"].to_string());
        attributes
    };
    let by_name = |mut indexes: Vec<Index>| {
        indexes.sort_by(|one, other| one.index_name.cmp(&other.index_name));
        indexes
    };
    let attributes = existing["AttributeDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let indexes: Option<Vec<Index>> = serde_json::from_value(existing["GlobalSecondaryIndexes"].clone())?;
    let stream = existing["StreamSpecification"]["StreamViewType"].as_str();

    let difference = if existing["KeySchema"] != definition.key_schema {
        "key"
    } else if by_name(indexes.unwrap_or_default()) != by_name(definition.indexes.clone()) {
        "indexes"
    } else if sorted(attributes) != sorted(&definition.attribute_definitions) {
        "attribute definitions"
    } else if stream != definition.stream.as_ref().map(|stream| stream.stream_view_type.as_str()) {
        "stream"
    } else {
        return Ok(());
    };
    bail!(
        "the table {} in the database differs from template.yaml in its {difference}; \
         delete the folder .local to start with an empty database",
        definition.name
    )
}

fn set_time_to_live(database: &Database, definition: &TableDefinition) -> Result<()> {
    let name = &definition.name;
    let current = database.describe_time_to_live(request(json!({"TableName": name}))?)?;
    let current = serde_json::to_value(current)?["TimeToLiveDescription"].clone();
    let enabled = current["TimeToLiveStatus"] == "ENABLED";
    let wanted = definition.time_to_live.as_ref().map(|time_to_live| json!(time_to_live.attribute_name));
    let existing = enabled.then(|| current["AttributeName"].clone());
    if existing == wanted {
        return Ok(());
    }
    // DynamoDB refuses another attribute while the old one is enabled.
    for (attribute, enabled) in [(existing, false), (wanted, true)] {
        if let Some(attribute) = attribute {
            let specification = json!({"AttributeName": attribute, "Enabled": enabled});
            let change = json!({"TableName": name, "TimeToLiveSpecification": specification});
            database.update_time_to_live(request(change)?)?;
        }
    }
    Ok(())
}
