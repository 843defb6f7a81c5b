//! Which items each function reads and writes, and which of their attributes.
//!
//! IAM tells tables and actions apart, and [`crate::policies`] compares those. It tells neither kinds of items nor, in
//! a transaction, attributes apart. So [`crate::operations`] declares what a function may do with them.
//! [`assert_declared`] compares every request of every test with that, and one test shows that each declaration is
//! used.

use std::collections::{BTreeMap, BTreeSet};

use local::fault_proxy::RecordedCall;
use serde_json::{Map, Value};

use crate::{
    operations, policies,
    test_app::{ACCOUNT_DELETIONS, MOVIES, OUTBOX, PASSWORD_ATTEMPTS, PASSWORD_RESETS, TestApp, USERS},
};

/// The kinds of items in each table, by the prefixes of their keys.
const KINDS: [(&str, &[&str]); 6] = [
    (USERS, &["user#", "email#"]),
    (MOVIES, &["movie#", "name#"]),
    (ACCOUNT_DELETIONS, &[""]),
    (PASSWORD_ATTEMPTS, &[""]),
    (OUTBOX, &[""]),
    (PASSWORD_RESETS, &[""]),
];

/// Stands for the kind if a request names no keys, and for all attributes.
const ANY: &str = "*";
/// All attributes of an item.
pub const ALL: &[&str] = &[ANY];

/// The attributes of a user that the check of a token reads.
pub const SESSION_ATTRIBUTES: &[&str] = &["session_epoch", "status"];
/// All attributes of a user.
pub const USER_ATTRIBUTES: &[&str] =
    &["created_at", "email", "email_key", "id", "movie_count", "password_hash", "session_epoch", "status"];
/// All attributes of a movie.
pub const MOVIE_ATTRIBUTES: &[&str] = &[
    "added_by",
    "casts",
    "catalog",
    "created_at",
    "genres",
    "id",
    "name",
    "name_key",
    "updated_at",
    "version",
];

/// What a function does with the items of one kind.
pub struct Access {
    /// The action of IAM, such as `GetItem`.
    pub action: &'static str,
    /// The table, or `<table>/index/<index>`.
    pub place: String,
    /// The prefix of the items' keys.
    kind: &'static str,
    reads: Vec<&'static str>,
    writes: &'static [&'static str],
}

impl Access {
    /// Declares that the response may have the whole item, for example after a failed condition.
    pub fn returning_item(mut self) -> Self {
        self.reads = ALL.to_vec();
        self
    }
}

fn read(action: &'static str, place: &str, kind: &'static str, attributes: &[&[&'static str]]) -> Access {
    Access { action, place: place.to_owned(), kind, reads: attributes.concat(), writes: &[] }
}

fn write(
    action: &'static str,
    table: &str,
    kind: &'static str,
    attributes: &'static [&'static str],
) -> Access {
    Access { action, place: table.to_owned(), kind, reads: Vec::new(), writes: attributes }
}

/// Declares that the function reads single items by their keys.
pub fn get(table: &str, kind: &'static str, attributes: &[&[&'static str]]) -> Access {
    read("GetItem", table, kind, attributes)
}

/// Declares that the function reads several items at once by their keys.
pub fn batch_get(table: &str, kind: &'static str, attributes: &[&'static str]) -> Access {
    read("BatchGetItem", table, kind, &[attributes])
}

/// Declares that the function queries an index, with all attributes.
pub fn query(table: &str, index: &str) -> Access {
    read("Query", &format!("{table}/index/{index}"), ANY, &[ALL])
}

/// Declares that the function queries an index, only for the keys of items.
pub fn query_keys(table: &str, index: &str) -> Access {
    read("Query", &format!("{table}/index/{index}"), ANY, &[])
}

/// Declares that the function scans a table, with all attributes.
pub fn scan(table: &str) -> Access {
    read("Scan", table, ANY, &[ALL])
}

/// Declares that the function creates or replaces items.
pub fn put(table: &str, kind: &'static str, attributes: &'static [&'static str]) -> Access {
    write("PutItem", table, kind, attributes)
}

/// Declares that the function changes attributes of items.
pub fn update(table: &str, kind: &'static str, attributes: &'static [&'static str]) -> Access {
    write("UpdateItem", table, kind, attributes)
}

/// Declares that the function deletes items.
pub fn delete(table: &str, kind: &'static str) -> Access {
    write("DeleteItem", table, kind, &[])
}

/// Declares the read that shows whether a session is current.
pub fn session() -> Access {
    get(USERS, "user#", &[SESSION_ATTRIBUTES])
}

/// Declares the requests that admit a password attempt, count it and reset the count.
pub fn password_attempts() -> Vec<Access> {
    let counter = &["blocked_until", "expires_at", "failures", "last_attempt"];
    vec![
        batch_get(PASSWORD_ATTEMPTS, "", ALL),
        put(PASSWORD_ATTEMPTS, "", counter).returning_item(),
        update(PASSWORD_ATTEMPTS, "", &["expires_at", "failures"]),
        delete(PASSWORD_ATTEMPTS, ""),
    ]
}

/// An action, the table or index that it applies to, and the kind of the items.
type Target = (String, String, String);
/// The attributes that are read and the ones that are written, without the key.
type Attributes = (BTreeSet<String>, BTreeSet<String>);

#[tokio::test]
async fn every_function_reads_and_writes_exactly_what_is_declared() {
    let mut app = TestApp::start().await;
    policies::use_everything(&mut app).await;
    for function in app.template.functions() {
        let mut used: BTreeMap<Target, Attributes> = BTreeMap::new();
        for (target, (reads, writes)) in app.proxy.calls_of(&function.operation).iter().flat_map(accesses) {
            let all = used.entry(target).or_default();
            all.0.extend(reads);
            all.1.extend(writes);
        }
        assert_eq!(
            allowed(&function.operation),
            used,
            "{}: left is declared in tests/api/operations.rs, right is used",
            function.operation
        );
    }
}

/// Panics if a function read or wrote an item or an attribute that is not declared.
pub fn assert_declared(functions: &[&str], calls: &[RecordedCall]) {
    let allowed: BTreeMap<&str, _> = functions.iter().map(|name| (*name, allowed(name))).collect();
    for call in calls {
        // A test may make requests of its own. Their caller is not a function.
        let Some(allowed) = allowed.get(&*call.caller) else { continue };
        for (target, (reads, writes)) in accesses(call) {
            let none = Attributes::default();
            let (may_read, may_write) = allowed.get(&target).unwrap_or(&none);
            let beyond = |used: BTreeSet<String>, may: &BTreeSet<String>| {
                used.into_iter().filter(|name| !may.contains(name)).collect::<Vec<_>>()
            };
            let (reads, writes) = (beyond(reads, may_read), beyond(writes, may_write));
            let (action, place, kind) = &target;
            assert!(
                allowed.contains_key(&target) && reads.is_empty() && writes.is_empty(),
                "{}: {action} of {place} {kind}… is not declared like this; too much is read: {reads:?}, and written: \
                 {writes:?}. Narrow the request, or declare it in tests/api/operations.rs and see what SECURITY.md then \
                 has to say of the function.",
                call.caller
            );
        }
    }
}

fn allowed(operation: &str) -> BTreeMap<Target, Attributes> {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let entry = |access: Access| {
        let target = (access.action.to_owned(), access.place.clone(), access.kind.to_owned());
        (target, (texts(&access.reads), texts(access.writes)))
    };
    (operations::find(operation).accesses)().into_iter().map(entry).collect()
}

/// Returns what a recorded call reads and writes.
fn accesses(call: &RecordedCall) -> Vec<(Target, Attributes)> {
    let body = &call.body;
    match call.operation.as_str() {
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().into_iter().flatten();
            let items = items.filter_map(Value::as_object).flatten();
            items.map(|(action, item)| access(&format!("{action}Item"), item)).collect()
        }
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let of_table = |(table, request): (&String, &Value)| {
                let keys = request["Keys"].as_array().into_iter().flatten();
                let reads = projected(request);
                let place = table.clone();
                keys.map(|key| {
                    let target = ("BatchGetItem".to_owned(), place.clone(), kind(&place, key));
                    (target, (reads.clone(), BTreeSet::new()))
                })
                .collect::<Vec<_>>()
            };
            tables.flat_map(of_table).collect()
        }
        operation => vec![access(operation, body)],
    }
}

/// Returns what one request, or one item of a transaction, reads and writes.
fn access(action: &str, request: &Value) -> (Target, Attributes) {
    let table = request["TableName"].as_str().expect("a table");
    let place =
        request["IndexName"].as_str().map_or(table.to_owned(), |index| format!("{table}/index/{index}"));
    let answers_all = ["ReturnValues", "ReturnValuesOnConditionCheckFailure"]
        .iter()
        .any(|name| request[*name].as_str().is_some_and(|values| values != "NONE"));
    let whole = || BTreeSet::from([ANY.to_owned()]);
    let answered = if answers_all { whole() } else { BTreeSet::new() };
    let (kind, reads, writes) = match action {
        "GetItem" => (kind(table, &request["Key"]), projected(request), BTreeSet::new()),
        "Query" | "Scan" => (ANY.to_owned(), projected(request), BTreeSet::new()),
        "PutItem" => {
            let item = request["Item"].as_object().expect("an item");
            (kind(table, &request["Item"]), answered, attributes_of(table, item))
        }
        "UpdateItem" => (kind(table, &request["Key"]), answered, updated(request)),
        "DeleteItem" => (kind(table, &request["Key"]), answered, BTreeSet::new()),
        other => panic!("add {other} to `access` in tests/api/access.rs"),
    };
    ((action.to_owned(), place, kind), (reads, writes))
}

/// Returns the kind of the item with this key.
fn kind(table: &str, key: &Value) -> String {
    let key = key[key_attribute(table)]["S"].as_str().expect("a key");
    let (_, kinds) = KINDS.iter().find(|(name, _)| *name == table).expect("a table with kinds");
    let kind = kinds.iter().find(|kind| key.starts_with(**kind));
    (*kind.unwrap_or_else(|| panic!("add the kind of {key} in {table} to KINDS in tests/api/access.rs")))
        .to_owned()
}

fn key_attribute(table: &str) -> &'static str {
    match table {
        ACCOUNT_DELETIONS => "user_id",
        OUTBOX => "id",
        PASSWORD_RESETS => "token_hash",
        _ => "pk",
    }
}

fn attributes_of(table: &str, item: &Map<String, Value>) -> BTreeSet<String> {
    item.keys().filter(|name| *name != key_attribute(table)).cloned().collect()
}

/// Returns the attributes that a request projects, without the key; all if it has no projection.
fn projected(request: &Value) -> BTreeSet<String> {
    let Some(projection) = request["ProjectionExpression"].as_str() else {
        return BTreeSet::from([ANY.to_owned()]);
    };
    let names = projection.split(',').map(|path| attribute(path, request));
    names.filter(|name| name != "pk").collect()
}

/// Returns the attributes that an update changes: in each clause the first word, and the first word after each comma.
fn updated(request: &Value) -> BTreeSet<String> {
    let expression = request["UpdateExpression"].as_str().expect("an update expression");
    let mut depth = 0;
    let mut spaced = String::new();
    for character in expression.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                spaced.push_str(" , ");
                continue;
            }
            _ => {}
        }
        spaced.push(character);
    }
    let mut names = BTreeSet::new();
    let mut is_target = false;
    for word in spaced.split_whitespace() {
        let begins =
            ["SET", "REMOVE", "ADD", "DELETE", ","].iter().any(|start| word.eq_ignore_ascii_case(start));
        if is_target && !begins {
            names.insert(attribute(word, request));
        }
        is_target = begins;
    }
    names
}

/// Returns the attribute at the beginning of a path.
fn attribute(path: &str, request: &Value) -> String {
    let first = path.trim().split(['.', '[', '=']).next().unwrap_or_default();
    request["ExpressionAttributeNames"][first].as_str().unwrap_or(first).to_owned()
}

#[test]
fn the_written_attributes_of_an_update_are_found() {
    let request = |expression: &str| serde_json::json!({"UpdateExpression": expression, "ExpressionAttributeNames": {"#a": "name", "#b": "run_count"}});
    for (expression, expected) in [
        ("SET #a = :a, b=:b", vec!["b", "name"]),
        (
            "ADD failures :one SET expires_at = :at REMOVE x.y[0], #b",
            vec!["expires_at", "failures", "run_count", "x"],
        ),
        ("set c = if_not_exists(d, :d), e = f + :one delete g :g", vec!["c", "e", "g"]),
        ("SET h = list_append(i, j)", vec!["h"]),
    ] {
        let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(updated(&request(expression)), expected, "{expression}");
    }
}
