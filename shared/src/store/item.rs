//! Items as DynamoDB keeps them, to and from the structs of this system.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use super::{failure::StoreError, keys};

/// An item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The item of a struct.
pub(super) fn encode(value: &impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::to_item(value).map_err(|error| StoreError::Refused { cause: error.into() })
}

/// The struct of an item. One that does not fit is named by its key.
pub(super) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = keys::without_email(&key_of(&item)).to_owned();
    serde_dynamo::from_item(item).map_err(|error| StoreError::Corrupt { key, problem: error.to_string() })
}

/// The item's partition key.
pub(super) fn key_of(item: &Item) -> String {
    item.get(keys::PARTITION).and_then(|key| key.as_s().ok()).cloned().unwrap_or_default()
}
