//! Brings the tables of the template into the embedded database.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};

use super::request;
use crate::template::{AttributeDefinition, Index, KeyElement, TableDefinition};

pub(super) fn create(database: &Database, definition: &TableDefinition) -> Result<()> {
    let name = &definition.name;
    match database.describe_table(request(json!({"TableName": name}))?) {
        Ok(existing) => check(&serde_json::to_value(existing)?["Table"], definition)?,
        Err(DynoxideError::ResourceNotFoundException(_)) => {
            let created =
                request(description(definition)).and_then(|table| Ok(database.create_table(table)?));
            created.with_context(|| format!("cannot create the table {name}"))?;
        }
        Err(error) => bail!("cannot look at the table {name}: {error}"),
    }
    set_time_to_live(database, definition).with_context(|| format!("cannot set the time to live of {name}"))
}

fn description(definition: &TableDefinition) -> Value {
    let mut table = json!({
        "TableName": definition.name,
        "AttributeDefinitions": definition.attribute_definitions,
        "KeySchema": definition.key_schema,
        "BillingMode": "PAY_PER_REQUEST",
    });
    if !definition.indexes.is_empty() {
        table["GlobalSecondaryIndexes"] = json!(definition.indexes);
    }
    if let Some(stream) = &definition.stream {
        table["StreamSpecification"] =
            json!({"StreamEnabled": true, "StreamViewType": stream.stream_view_type});
    }
    table
}

fn check(existing: &Value, definition: &TableDefinition) -> Result<()> {
    let attributes = |mut attributes: Vec<AttributeDefinition>| {
        attributes.sort();
        attributes
    };
    let by_name = |indexes: Vec<Index>| -> BTreeMap<String, Index> {
        indexes.into_iter().map(|index| (index.index_name.clone(), index)).collect()
    };
    let key: Vec<KeyElement> = serde_json::from_value(existing["KeySchema"].clone())?;
    let existing_attributes = serde_json::from_value(existing["AttributeDefinitions"].clone())?;
    let indexes: Option<Vec<Index>> = serde_json::from_value(existing["GlobalSecondaryIndexes"].clone())?;
    let stream = existing["StreamSpecification"]["StreamViewType"].as_str();

    let difference = if key != definition.key_schema {
        "key"
    } else if by_name(indexes.unwrap_or_default()) != by_name(definition.indexes.clone()) {
        "indexes"
    } else if attributes(existing_attributes) != attributes(definition.attribute_definitions.clone()) {
        "attribute definitions"
    } else if stream != definition.stream.as_ref().map(|stream| stream.stream_view_type.as_str()) {
        "stream"
    } else {
        return Ok(());
    };
    bail!(
        "the table {} in the database differs from template.yaml in its {difference}; \
         delete the folder .local to start afresh",
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
    // DynamoDB refuses to move the attribute while the old one is enabled.
    for (attribute, enabled) in [(existing, false), (wanted, true)] {
        if let Some(attribute) = attribute {
            let specification = json!({"AttributeName": attribute, "Enabled": enabled});
            let change = json!({"TableName": name, "TimeToLiveSpecification": specification});
            database.update_time_to_live(request(change)?)?;
        }
    }
    Ok(())
}
