//! Limits of `DynamoDB` that the embedded database does not enforce. `local/tests/dynamodb_rules.rs` shows the ones that it
//! does.

use std::collections::BTreeMap;

use local::{fault_proxy::RecordedCall, template::Template};
use serde_json::{Value, json};

/// The longest partition key and the longest sort key, in bytes of UTF-8, of tables and indexes ([quotas]).
///
/// [quotas]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const LONGEST_KEYS: [(&str, usize); 2] = [("HASH", 2048), ("RANGE", 1024)];

/// The most operands of `IN` (same page).
const MOST_OPERANDS: usize = 100;

/// Panics if a request exceeds a limit.
pub fn assert_respected(template: &Template, calls: &[RecordedCall]) {
    let longest = longest_keys(template);
    for call in calls {
        let found = excess(&call.body, &longest);
        assert_eq!(found, None, "{} of {} exceeds a limit of DynamoDB", call.operation, call.caller);
    }
}

/// Returns the key attributes of all tables and indexes with the number of bytes that a value can have.
fn longest_keys(template: &Template) -> BTreeMap<String, usize> {
    let mut longest = BTreeMap::new();
    for table in template.tables() {
        let schemas = table.indexes.iter().map(|index| &index.key_schema).chain([&table.key_schema]);
        for part in schemas.flat_map(|schema| schema.as_array().into_iter().flatten()) {
            let name = part["AttributeName"].as_str().expect("a name").to_owned();
            let (_, limit) = LONGEST_KEYS.iter().find(|(kind, _)| part["KeyType"] == *kind).expect("a kind");
            longest.entry(name).and_modify(|known: &mut usize| *known = *limit.min(known)).or_insert(*limit);
        }
    }
    longest
}

/// Describes the first excess in a request or in any part of one.
fn excess(request: &Value, longest: &BTreeMap<String, usize>) -> Option<String> {
    match request {
        Value::Array(parts) => parts.iter().find_map(|part| excess(part, longest)),
        Value::Object(parts) => {
            let expressions = parts.iter().filter(|(name, _)| name.ends_with("Expression"));
            let texts = expressions.filter_map(|(_, text)| text.as_str());
            let too_many = texts.flat_map(operands_of_in).find(|count| *count > MOST_OPERANDS);
            too_many
                .map(|count| format!("IN with {count} operands"))
                .or_else(|| key_values(request).find_map(|(name, value)| too_long(&name, value, longest)))
                .or_else(|| parts.values().find_map(|part| excess(part, longest)))
        }
        _ => None,
    }
}

fn too_long(name: &str, value: &Value, longest: &BTreeMap<String, usize>) -> Option<String> {
    let (limit, length) = (longest.get(name)?, value["S"].as_str()?.len());
    (length > *limit).then(|| format!("{name} with {length} bytes"))
}

/// Returns the attributes that a request, or an item of a transaction, gives with their values: those of its item, keys or
/// start key, and those that its update sets to a value.
fn key_values(request: &Value) -> impl Iterator<Item = (String, &Value)> {
    let single = ["Item", "Key", "ExclusiveStartKey"].into_iter().map(|part| &request[part]);
    let given = single.chain(request["Keys"].as_array().into_iter().flatten()).filter_map(Value::as_object);
    let given = given.flatten().map(|(name, value)| (name.clone(), value));
    let update = request["UpdateExpression"].as_str().unwrap_or_default();
    let assigned = update.split([',', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let assigned: Vec<(String, &Value)> = assigned
        .windows(3)
        .filter(|words| words[1] == "=" && words[2].starts_with(':'))
        .map(|words| {
            let name = request["ExpressionAttributeNames"][words[0]].as_str().unwrap_or(words[0]);
            (name.to_owned(), &request["ExpressionAttributeValues"][words[2]])
        })
        .collect();
    given.chain(assigned)
}

/// Returns the number of operands of each `IN` of an expression.
fn operands_of_in(expression: &str) -> Vec<usize> {
    let lists = expression.split(" IN (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.map(|list| list.split(',').count()).collect()
}

#[test]
fn an_excess_is_found_wherever_it_is() {
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let longest = longest_keys(&template);
    assert_eq!((longest["pk"], longest["name_key"]), (2048, 1024));
    let (fits, exceeds) = (json!({"S": "x".repeat(1024)}), json!({"S": "é".repeat(513)}));
    let operands = |count: usize| vec![":x"; count].join(", ");
    let update = |value: &Value| {
        json!({
            "UpdateExpression": "SET version = :version, #name = :name",
            "ExpressionAttributeNames": {"#name": "name_key"},
            "ExpressionAttributeValues": {":name": value, ":version": {"B": ""}},
        })
    };
    for (case, request) in [
        ("an item", (|value: &Value| json!({"Item": {"name_key": value}})) as fn(&Value) -> Value),
        ("a start key", |value| json!({"ExclusiveStartKey": {"name_key": value}})),
        ("a transaction", |value| json!({"TransactItems": [{"Put": {"Item": {"name_key": value}}}]})),
        ("a batch", |value| json!({"RequestItems": {"MoviesTable": {"Keys": [{"name_key": value}]}}})),
    ] {
        assert_eq!(excess(&request(&fits), &longest), None, "{case}");
        assert_eq!(
            excess(&request(&exceeds), &longest).as_deref(),
            Some("name_key with 1026 bytes"),
            "{case}"
        );
    }
    assert_eq!(excess(&update(&fits), &longest), None);
    assert_eq!(excess(&update(&exceeds), &longest).as_deref(), Some("name_key with 1026 bytes"));
    let condition = |count| json!({"ConditionExpression": format!("a = :a AND v IN ({})", operands(count))});
    assert_eq!(excess(&condition(100), &longest), None);
    assert_eq!(excess(&condition(101), &longest).as_deref(), Some("IN with 101 operands"));
}
