//! Conversion between DynamoDB's items and structs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, builders::PutBuilder,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{failure::StoreError, keys};

/// A DynamoDB item: values by attribute name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Returns the key of an item of `Users`, `Movies` or `PasswordAttempts`.
pub(super) fn key(key: String) -> Item {
    Item::from([(keys::PARTITION.to_owned(), AttributeValue::S(key))])
}

/// Returns the item of a struct.
pub(super) fn encode(value: &impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::to_item(value).map_err(|error| StoreError::Refused { cause: error.into() })
}

/// Returns the part of a transaction that puts an item, on the condition that its key is new. IAM: `PutItem`.
pub(super) fn put_new(table: &str, new: &impl Serialize) -> Result<TransactWriteItem, StoreError> {
    Ok(TransactWriteItem::builder().put(put_builder(table, new)?.build()?).build())
}

/// Returns the same part as [`put_new`]. If the key is taken, the cancellation reason has the existing item.
pub(super) fn put_new_returning_old(
    table: &str,
    claim: &impl Serialize,
) -> Result<TransactWriteItem, StoreError> {
    let put = put_builder(table, claim)?
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().put(put.build()?).build())
}

fn put_builder(table: &str, new: &impl Serialize) -> Result<PutBuilder, StoreError> {
    Ok(Put::builder()
        .table_name(table)
        .set_item(Some(encode(new)?))
        .condition_expression("attribute_not_exists(#pk)")
        .expression_attribute_names("#pk", keys::PARTITION))
}

/// Returns the struct of an item. The error for an item that does not fit names its key.
pub(super) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = keys::without_email(&key_of(&item)).to_owned();
    serde_dynamo::from_item(item).map_err(|error| StoreError::Corrupt { key, problem: error.to_string() })
}

/// Returns the item's partition key.
pub(super) fn key_of(item: &Item) -> String {
    // The partition key of users and movies precedes `id`, which is an attribute of theirs.
    let key = [keys::PARTITION, keys::USER_ID, keys::TOKEN_HASH, keys::ID]
        .iter()
        .find_map(|name| item.get(*name)?.as_s().ok());
    key.cloned().unwrap_or_default()
}
