//! Least privilege: what a function's role allows is what the function asks of DynamoDB, no more and no less.

use std::{collections::BTreeSet, time::Duration};

use local::{
    fault_proxy::Call,
    runtime_api::{Function, FunctionOptions, Outcome},
    streams::StreamReader,
};
use serde_json::{Value, json};

use crate::bag::{Bag, DEPARTURES, PASSWORD, delete, get, movie, post, put};

/// An action of IAM with the table or index it is about.
type Permission = (String, String);

#[tokio::test]
async fn every_role_allows_exactly_what_its_function_asks_for() {
    let bag = Bag::start().await;
    use_everything(&bag).await;
    for function in bag.template.functions() {
        let used: BTreeSet<Permission> =
            bag.proxy.calls_of(&function.operation).iter().flat_map(permissions).collect();
        assert_eq!(
            granted(&function.policies),
            used,
            "{}: left is granted, right is used",
            function.operation
        );
    }
}

/// Goes through every operation in all the ways that differ in what they ask for.
async fn use_everything(bag: &Bag) {
    let ann = bag.person("ann").await;
    let made = bag.movie(&ann, "Alien").await;
    bag.movie(&ann, "Brazil").await;
    let path = format!("/api/movies/{}", made["id"].as_str().expect("an id"));
    let new_password = json!({"current_password": PASSWORD, "new_password": "a bag full of new movies"});
    for request in [
        get("/api/movies"),
        get(&path),
        get("/api/auth/account"),
        put(&path, &json!({"genres": ["Horror"]})),
        put(&path, &json!({"name": "Aliens"})),
        delete(&path),
        put("/api/auth/password", &new_password),
    ] {
        let response = bag.send(request.bearer(&ann.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
    }
    let bob = bag.person("bob").await;
    assert_eq!(bag.send(post("/api/movies", &movie("Heat")).bearer(&bob.token)).await.status, 200);
    assert_eq!(bag.send(post("/api/auth/logout", &json!({})).bearer(&bob.token)).await.status, 200);
    let token = bag.log_in(&bob.email, PASSWORD).await.json()["token"].clone();
    let leaving = delete("/api/auth/account").bearer(token.as_str().expect("a token"));
    assert_eq!(bag.send(leaving).await.status, 202);
    purge(bag).await;
}

/// Works off the departures: first with too little time, then by the stream, and once by the schedule.
async fn purge(bag: &Bag) {
    let mut reader = StreamReader::new(&bag.database, DEPARTURES).expect("a stream");
    let records = json!({"Records": reader.next_records().expect("records")});
    let hurried = FunctionOptions { timeout: Duration::from_secs(3), ..bag.options("purge-account") };
    let hurried = Function::start(hurried).await.expect("the function starts");
    let usual = bag.function("purge-account").await;
    for (function, event) in [(&hurried, &records), (&*usual, &records), (&*usual, &json!({}))] {
        let nothing_failed = Outcome::Response(json!({"batchItemFailures": []}));
        assert_eq!(function.invoke(event).await, nothing_failed);
    }
    assert_eq!(
        bag.database.items(DEPARTURES).expect("items"),
        [Value::Null; 0],
        "nobody is leaving any more"
    );
}

/// What IAM has to allow for a call. It knows no transaction, only the items in it.
fn permissions(call: &Call) -> Vec<Permission> {
    if call.transaction_items.is_empty() {
        let index = call.index.as_ref().map(|index| format!("/index/{index}")).unwrap_or_default();
        let resources = call.tables.iter().map(|table| format!("{table}{index}"));
        return resources.map(|resource| (call.operation.clone(), resource)).collect();
    }
    let items = call.transaction_items.iter();
    items.map(|(action, table)| (format!("{action}Item"), table.clone())).collect()
}

/// What a function's policies allow on tables and indexes. Streams and queues are read and written by Lambda itself.
fn granted(policies: &Value) -> BTreeSet<Permission> {
    let statements = policies.as_array().into_iter().flatten();
    let statements = statements.flat_map(|policy| policy["Statement"].as_array().into_iter().flatten());
    let mut permissions = BTreeSet::new();
    for statement in statements {
        assert_eq!(statement["Effect"], "Allow");
        let Some(resource) = table_or_index(&statement["Resource"]) else { continue };
        for action in one_or_more(&statement["Action"]) {
            let action = action.as_str().and_then(|action| action.strip_prefix("dynamodb:"));
            let action =
                action.unwrap_or_else(|| panic!("{statement} is about a table, but not of DynamoDB"));
            assert!(!action.contains('*'), "{statement} allows more than one action by a pattern");
            permissions.insert((action.to_owned(), resource.clone()));
        }
    }
    permissions
}

fn table_or_index(resource: &Value) -> Option<String> {
    if let [table, attribute] = resource["Fn::GetAtt"].as_array().map(Vec::as_slice).unwrap_or_default() {
        return (attribute == "Arn")
            .then(|| table.as_str().map(str::to_owned))
            .flatten()
            .filter(|name| is_table(name));
    }
    let (table, index) = resource["Fn::Sub"].as_str()?.strip_prefix("${")?.split_once(".Arn}")?;
    is_table(table).then(|| format!("{table}{index}"))
}

fn is_table(logical_id: &str) -> bool {
    logical_id.ends_with("Table")
}

fn one_or_more(value: &Value) -> &[Value] {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice)
}
