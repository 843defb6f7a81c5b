//! Items as DynamoDB keeps them, to and from the structs of this system.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, builders::PutBuilder,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{failure::StoreError, keys};

/// An item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The item of a struct.
pub(super) fn encode(value: &impl Serialize) -> Result<Item, StoreError> {
    serde_dynamo::to_item(value).map_err(|error| StoreError::Refused { cause: error.into() })
}

/// The part of a transaction that puts a new item: nothing may have its key yet. IAM: `PutItem`.
pub(super) fn put_new(table: &str, new: &impl Serialize) -> Result<TransactWriteItem, StoreError> {
    Ok(TransactWriteItem::builder().put(new_put(table, new)?.build()?).build())
}

/// As [`put_new`], for an item that may be known to others: if its key is taken, the reason holds the item that is there.
pub(super) fn put_claim(table: &str, claim: &impl Serialize) -> Result<TransactWriteItem, StoreError> {
    let put = new_put(table, claim)?
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().put(put.build()?).build())
}

fn new_put(table: &str, new: &impl Serialize) -> Result<PutBuilder, StoreError> {
    Ok(Put::builder()
        .table_name(table)
        .set_item(Some(encode(new)?))
        .condition_expression("attribute_not_exists(#pk)")
        .expression_attribute_names("#pk", keys::PARTITION))
}

/// The struct of an item. One that does not fit is named by its key.
pub(super) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = keys::without_email(&key_of(&item)).to_owned();
    serde_dynamo::from_item(item).map_err(|error| StoreError::Corrupt { key, problem: error.to_string() })
}

/// The item's partition key.
pub(super) fn key_of(item: &Item) -> String {
    let key = [keys::PARTITION, keys::USER_ID].iter().find_map(|name| item.get(*name)?.as_s().ok());
    key.cloned().unwrap_or_default()
}
