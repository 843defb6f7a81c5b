//! The tables behind the functions' backs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ACCOUNT_DELETIONS, MOVIES, PASSWORD_ATTEMPTS, TestApp, USERS};

impl TestApp {
    /// Everything that the tables hold, but for the counters of failed logins, which move with every try: equal before
    /// and after whatever changed nothing.
    pub fn table_contents(&self) -> BTreeMap<String, Value> {
        let keyed = |table| {
            let items = self.database.items(table).expect("items").into_iter();
            items.map(move |item| {
                let key = if table == ACCOUNT_DELETIONS { &item["user_id"]["S"] } else { &item["pk"]["S"] };
                (format!("{table} {key}"), item)
            })
        };
        [USERS, MOVIES, ACCOUNT_DELETIONS].into_iter().flat_map(keyed).collect()
    }

    /// Forgets all failed logins, as time does.
    pub fn reset_password_attempts(&self) {
        for counter in self.items(PASSWORD_ATTEMPTS, "") {
            self.delete_item(PASSWORD_ATTEMPTS, counter["pk"]["S"].as_str().expect("a key"));
        }
    }

    /// The item with this partition key.
    pub fn item(&self, table: &str, key: &str) -> Option<Value> {
        self.items(table, key).into_iter().find(|item| item["pk"]["S"] == key)
    }

    /// Changes an item behind the functions' back.
    pub fn edit_item(&self, table: &str, key: &str, change: impl FnOnce(&mut Value)) {
        let mut item = self.item(table, key).unwrap_or_else(|| panic!("{table} has no {key}"));
        change(&mut item);
        self.database.put_item(table, item).expect("an item");
    }

    /// Changes the item of a user behind the functions' back.
    pub fn edit_user(&self, id: &str, change: impl FnOnce(&mut Value)) {
        self.edit_item(USERS, &format!("user#{id}"), change);
    }

    /// Deletes an item behind the functions' back.
    pub fn delete_item(&self, table: &str, key: &str) {
        self.database.delete_item(table, json!({"pk": {"S": key}})).expect("deletion");
    }
}
