//! The tables behind the functions' backs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Bag, MOVIES, USERS};

impl Bag {
    /// Everything that the tables hold: equal before and after whatever changed nothing.
    pub fn contents(&self) -> BTreeMap<String, Value> {
        let keyed = |table| {
            let items = self.items(table, "").into_iter();
            items.map(move |item| (format!("{table} {}", item["pk"]["S"]), item))
        };
        [USERS, MOVIES].into_iter().flat_map(keyed).collect()
    }

    /// The item with this partition key.
    pub fn item(&self, table: &str, key: &str) -> Option<Value> {
        self.items(table, key).into_iter().find(|item| item["pk"]["S"] == key)
    }

    /// Changes an item behind the functions' back.
    pub fn edit(&self, table: &str, key: &str, change: impl FnOnce(&mut Value)) {
        let mut item = self.item(table, key).unwrap_or_else(|| panic!("{table} has no {key}"));
        change(&mut item);
        self.database.put_item(table, item).expect("an item");
    }

    /// Changes the item of a user behind the functions' back.
    pub fn edit_user(&self, id: &str, change: impl FnOnce(&mut Value)) {
        self.edit(USERS, &format!("user#{id}"), change);
    }

    /// Deletes an item behind the functions' back.
    pub fn remove(&self, table: &str, key: &str) {
        self.database.delete_item(table, json!({"pk": {"S": key}})).expect("deletion");
    }
}
