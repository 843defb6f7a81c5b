//! The proxy's record of a request.

use std::collections::BTreeSet;

use serde_json::Value;

/// Stands for the operation of a health check: `GET /`. It is no request of the API, needs no permission, and is not among
/// the calls.
pub const HEALTH_CHECK: &str = "a health check";

/// One request that a function made.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCall {
    /// The function, by the name its endpoint was made for.
    pub caller: String,
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// The number of the connection that it came over.
    pub connection: u64,
    /// Every table that the request names, without repetition, sorted.
    pub tables: Vec<String>,
    /// The index that it reads, if any.
    pub index: Option<String>,
    /// The body of the request.
    pub body: Value,
    /// The status of the response, of the database or of the fault in its place; 0 while there is none.
    pub status: u16,
    /// For a transaction the actions of its items with their tables, such as `("ConditionCheck", "UsersTable")`.
    pub transaction_items: Vec<(String, String)>,
    /// `ConsumedCapacity` of the response, if the request asked for it.
    pub consumed_capacity: Option<Value>,
}

impl RecordedCall {
    pub(super) fn new(caller: String, operation: String, connection: u64, body: Value) -> Self {
        let transaction_items: Vec<(String, String)> = body["TransactItems"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_object()?.iter().next())
            .map(|(action, item)| (action.clone(), item["TableName"].as_str().unwrap_or_default().to_owned()))
            .collect();
        let single = body["TableName"].as_str().map(str::to_owned);
        let batch = body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.keys().cloned());
        let in_transaction = transaction_items.iter().map(|(_, table)| table.clone());
        let tables: BTreeSet<String> = single.into_iter().chain(batch).chain(in_transaction).collect();
        Self {
            caller,
            operation,
            connection,
            tables: tables.into_iter().collect(),
            index: body["IndexName"].as_str().map(str::to_owned),
            body,
            status: 0,
            transaction_items,
            consumed_capacity: None,
        }
    }
}
