//! The items that a request names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::call::RecordedCall;
use crate::template::TableDefinition;

/// An item of a table, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    pub table: String,
    /// The key, in `DynamoDB` JSON.
    pub key: Value,
}

/// The names of the key attributes of each table.
#[derive(Debug)]
pub struct KeySchemas(BTreeMap<String, Vec<String>>);

impl KeySchemas {
    pub fn new(tables: &[TableDefinition]) -> Self {
        let names = |table: &TableDefinition| {
            let attributes = table.key_schema.as_array().into_iter().flatten();
            attributes.filter_map(|attribute| Some(attribute["AttributeName"].as_str()?.to_owned())).collect()
        };
        Self(tables.iter().map(|table| (table.name.clone(), names(table))).collect())
    }

    /// Returns the items that a request reads or writes by their keys: of a transaction in the order of its items, of a
    /// batch in the order of its tables and keys.
    pub fn items(&self, call: &RecordedCall) -> Vec<Item> {
        let body = &call.body;
        if let Some(actions) = body["TransactItems"].as_array() {
            let actions = actions.iter().filter_map(|item| item.as_object()?.values().next());
            return actions.filter_map(|action| self.item(action)).collect();
        }
        if let Some(tables) = body["RequestItems"].as_object() {
            let keys = |read: &Value| read["Keys"].as_array().cloned().unwrap_or_default();
            let items = |(table, read): (&String, &Value)| {
                let table = table.clone();
                keys(read).into_iter().map(move |key| Item { table: table.clone(), key })
            };
            return tables.iter().flat_map(items).collect();
        }
        self.item(body).into_iter().collect()
    }

    /// Returns the item of a single request, or of one action of a transaction; `None` if it names none, as a query.
    fn item(&self, action: &Value) -> Option<Item> {
        let table = action["TableName"].as_str()?;
        let key = match (&action["Item"], &action["Key"]) {
            (item @ Value::Object(_), _) => {
                let key = self.0.get(table)?.iter().map(|name| (name.clone(), item[name].clone()));
                key.collect()
            }
            (_, key @ Value::Object(_)) => key.clone(),
            _ => return None,
        };
        Some(Item { table: table.to_owned(), key })
    }
}
