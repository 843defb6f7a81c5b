//! Direct access to the tables.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use local::{gateway::HttpResponse, template::TableDefinition};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PASSWORD_ATTEMPTS, TestApp, USERS};

impl TestApp {
    /// Returns all items of the tables except the counters of password attempts, which change with every attempt. Equal
    /// before and after a request that changes nothing.
    pub fn table_contents(&self) -> BTreeMap<String, Value> {
        let keyed = |table: &TableDefinition| {
            let (name, key) = (table.name.clone(), table.key_schema[0]["AttributeName"].clone());
            let key = key.as_str().expect("a partition key").to_owned();
            let items = self.database.items(&name).expect("items").into_iter();
            items.map(move |item| (format!("{name} {}", item[&key]["S"]), item))
        };
        self.template
            .tables()
            .iter()
            .filter(|table| table.name != PASSWORD_ATTEMPTS)
            .flat_map(keyed)
            .collect()
    }

    /// Deletes all counters of password attempts, as if they had expired.
    pub fn reset_password_attempts(&self) {
        for counter in self.items(PASSWORD_ATTEMPTS, "") {
            self.delete_item(PASSWORD_ATTEMPTS, counter["pk"]["S"].as_str().expect("a key"));
        }
    }

    /// Returns the item with this partition key.
    pub fn item(&self, table: &str, key: &str) -> Option<Value> {
        self.items(table, key).into_iter().find(|item| item["pk"]["S"] == key)
    }

    /// Changes an item in the table.
    pub fn edit_item(&self, table: &str, key: &str, change: impl FnOnce(&mut Value)) {
        let mut item = self.item(table, key).unwrap_or_else(|| panic!("{table} has no {key}"));
        change(&mut item);
        self.database.put_item(table, item).expect("an item");
        self.proxy.show(table, json!({"pk": {"S": key}})).expect("it is shown");
    }

    /// Writes many items at once, which all reads show.
    pub fn put_items(&self, table: &str, items: Vec<Value>) {
        let keys: Vec<Value> = items.iter().map(|item| json!({"pk": item["pk"]})).collect();
        self.database.put_items(table, items).expect("items");
        for key in keys {
            self.proxy.show(table, key).expect("it is shown");
        }
    }

    /// Changes the item of a user in the table.
    pub fn edit_user(&self, id: &str, change: impl FnOnce(&mut Value)) {
        self.edit_item(USERS, &format!("user#{id}"), change);
    }

    /// Deletes an item from the table.
    pub fn delete_item(&self, table: &str, key: &str) {
        let key = json!({"pk": {"S": key}});
        self.database.delete_item(table, key.clone()).expect("deletion");
        self.proxy.show(table, key).expect("it is shown");
    }
}

/// Returns the version that `etag` names, as the table has it: 16 bytes in Base64.
pub fn stored_version(response: &HttpResponse) -> String {
    let version: Uuid = etag(response).trim_matches('"').parse().expect("a version");
    BASE64_STANDARD.encode(version)
}

/// Returns the entity tag of a response.
pub fn etag(response: &HttpResponse) -> &str {
    response.header("etag").unwrap_or_else(|| panic!("no etag: {}", response.body))
}
