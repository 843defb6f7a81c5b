//! The embedded database refuses what `DynamoDB` refuses. Every request of every test goes through it, so each of these
//! rules holds for all of them. `tests/api/dynamodb_limits.rs` checks what the embedded database lets through.
//!
//! The rules are those of the developer guide: [reserved words], [expressions], [quotas], [transactions], and [paging].
//!
//! [reserved words]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
//! [expressions]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
//! [quotas]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
//! [transactions]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
//! [paging]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html

use local::{
    database::{EmbeddedDatabase, Storage},
    fault_proxy::FaultProxy,
    template::Template,
};
use serde_json::{Value, json};

/// Returns a request with these members on the table of movies.
fn on_movies(members: Value) -> Value {
    let mut request = members;
    request["TableName"] = json!("MoviesTable");
    request
}

/// Returns a deletion of a movie with a condition.
fn deletion(condition: &str, names: Value, values: Value) -> Value {
    let mut request = on_movies(json!({"Key": {"pk": {"S": "movie#1"}}, "ConditionExpression": condition}));
    for (member, content) in [("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)] {
        if !content.is_null() {
            request[member] = content;
        }
    }
    request
}

fn update(expression: &str, value: Value) -> Value {
    let mut request = on_movies(json!({"Key": {"pk": {"S": "movie#1"}}, "UpdateExpression": expression}));
    request["ExpressionAttributeValues"] = json!({":value": value});
    request
}

fn put(attribute: &str, value: Value) -> Value {
    let mut request = on_movies(json!({"Item": {"pk": {"S": "movie#2"}}}));
    request["Item"][attribute] = value;
    request
}

/// Returns a page of the movies of a user with a prefix, after a start key.
fn page(start: Value) -> Value {
    on_movies(json!({
        "IndexName": "owner",
        "KeyConditionExpression": "added_by = :user AND begins_with(name_key, :prefix)",
        "ExpressionAttributeValues": {":user": {"S": "ann"}, ":prefix": {"S": "al"}},
        "ExclusiveStartKey": start,
    }))
}

fn writes(items: impl Iterator<Item = Value>) -> Value {
    let put = |item: Value| json!({"Put": {"TableName": "MoviesTable", "Item": item}});
    json!({"TransactItems": items.map(put).collect::<Vec<_>>()})
}

/// Requests that `DynamoDB` refuses: the rule, the operation, the request, and a part of the error's message.
fn refused() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let text = |text: &str| json!({"S": text});
    let (key, none) = (json!({"pk": {"S": "movie#1"}}), Value::Null);
    let start = |pk: &str, user: &str, name: &str| {
        page(json!({"pk": text(pk), "added_by": text(user), "name_key": text(name)}))
    };
    let mut consistent = page(none.clone());
    consistent["ConsistentRead"] = json!(true);
    let mut no_movies = page(none.clone());
    no_movies["Limit"] = json!(0);
    let mut filtered = page(none.clone());
    filtered["KeyConditionExpression"] = json!("added_by = :user");
    filtered["FilterExpression"] = json!("begins_with(name_key, :prefix)");
    let mut unbound = page(none.clone());
    unbound["KeyConditionExpression"] = json!("begins_with(name_key, :prefix)");
    unbound["ExpressionAttributeValues"] = json!({":prefix": {"S": "al"}});
    for request in [&mut consistent, &mut no_movies, &mut filtered, &mut unbound] {
        request.as_object_mut().expect("a request").remove("ExclusiveStartKey");
    }
    let get = |key: Value| on_movies(json!({"Key": key}));
    let batch = |keys: Vec<Value>| json!({"RequestItems": {"MoviesTable": {"Keys": keys}}});
    let numbered = |count: usize| (0..count).map(|number| json!({"pk": {"S": number.to_string()}}));
    let large = |number: usize| json!({"pk": {"S": number.to_string()}, "text": {"S": "x".repeat(390_000)}});
    let long = "x".repeat(400 * 1024);
    let mut repeated = writes([key.clone()].into_iter());
    repeated["TransactItems"]
        .as_array_mut()
        .expect("items")
        .push(json!({"ConditionCheck": deletion("attribute_exists(pk)", none.clone(), none.clone())}));
    let mut long_token = writes([key.clone()].into_iter());
    long_token["ClientRequestToken"] = json!("x".repeat(37));
    vec![
        // Expressions.
        (
            "a reserved word in a condition",
            "DeleteItem",
            deletion("status = :a", none.clone(), json!({":a": text("a")})),
            "reserved",
        ),
        (
            "a reserved word in a projection",
            "GetItem",
            on_movies(json!({"Key": key, "ProjectionExpression": "name"})),
            "reserved",
        ),
        ("a reserved word in an update", "UpdateItem", update("SET name = :value", text("a")), "reserved"),
        (
            "a value that is not used",
            "DeleteItem",
            deletion("attribute_exists(pk)", none.clone(), json!({":a": text("a")})),
            "unused",
        ),
        (
            "a name that is not used",
            "DeleteItem",
            deletion("attribute_exists(pk)", json!({"#a": "a"}), none.clone()),
            "unused",
        ),
        (
            "a value that is not given",
            "DeleteItem",
            deletion("pk = :a", none.clone(), none.clone()),
            "not defined",
        ),
        (
            "a name that is not given",
            "DeleteItem",
            deletion("attribute_exists(#a)", none.clone(), none.clone()),
            "not defined",
        ),
        (
            "an expression over 4 KB",
            "DeleteItem",
            deletion(&["attribute_exists(pk)"; 180].join(" AND "), none.clone(), none.clone()),
            "size",
        ),
        ("an update of the key", "UpdateItem", update("SET pk = :value", text("a")), "part of the key"),
        (
            "two updates of one attribute",
            "UpdateItem",
            update("SET genre = :value, genre = :value", text("a")),
            "overlap",
        ),
        (
            "an attribute that is projected twice",
            "GetItem",
            on_movies(json!({"Key": key, "ProjectionExpression": "id, id"})),
            "overlap",
        ),
        (
            "an addition to a text",
            "UpdateItem",
            update("ADD added_by :value", json!({"N": "1"})),
            "incorrect",
        ),
        // Values and sizes.
        ("an empty key", "GetItem", get(json!({"pk": text("")})), "empty"),
        ("a key over 2,048 bytes", "GetItem", get(json!({"pk": text(&"x".repeat(2049))})), "2048"),
        ("a key with another attribute", "GetItem", get(json!({"pk": text("a"), "id": text("a")})), "schema"),
        ("an empty key of an index", "PutItem", put("name_key", text("")), "empty"),
        ("a key of an index of another type", "PutItem", put("name_key", json!({"N": "1"})), "mismatch"),
        (
            "an update that empties a key of an index",
            "UpdateItem",
            update("SET name_key = :value", text("")),
            "secondary index",
        ),
        ("an item over 400 KB", "PutItem", put("text", text(&long)), "size"),
        ("an update to more than 400 KB", "UpdateItem", update("SET blob1 = :value", text(&long)), "size"),
        ("an empty set", "PutItem", put("names", json!({"SS": []})), "may not be empty"),
        ("a set with duplicates", "PutItem", put("names", json!({"SS": ["a", "a"]})), "duplicates"),
        ("a number of 39 digits", "PutItem", put("number", json!({"N": "1".repeat(39)})), "38"),
        // Transactions and batches.
        ("a transaction of 101 items", "TransactWriteItems", writes(numbered(101)), "100"),
        ("a transaction over 4 MB", "TransactWriteItems", writes((0..11).map(large)), "size"),
        ("an item twice in a transaction", "TransactWriteItems", repeated, "multiple operations on one item"),
        ("a token of 37 characters", "TransactWriteItems", long_token, "36"),
        ("a batch of 101 keys", "BatchGetItem", batch(numbered(101).collect()), "100"),
        ("a key twice in a batch", "BatchGetItem", batch(vec![key.clone(), key.clone()]), "duplicates"),
        // Queries and start keys.
        ("a consistent read of an index", "Query", consistent, "Consistent reads are not supported"),
        ("a page of no items", "Query", no_movies, "Limit"),
        ("a filter on a key", "Query", filtered, "non-primary key"),
        ("a query without the partition key", "Query", unbound, "missed key schema element"),
        (
            "a start key without the table's key",
            "Query",
            page(json!({"added_by": text("ann"), "name_key": text("alien")})),
            "starting key is invalid",
        ),
        ("a start key without the index's key", "Query", page(key.clone()), "starting key is invalid"),
        (
            "a start key with another attribute",
            "Query",
            page(
                json!({"pk": text("a"), "added_by": text("ann"), "name_key": text("alien"), "id": text("a")}),
            ),
            "starting key is invalid",
        ),
        (
            "a start key of another type",
            "Query",
            page(json!({"pk": text("a"), "added_by": text("ann"), "name_key": {"N": "1"}})),
            "starting key is invalid",
        ),
        ("a start key of another partition", "Query", start("movie#1", "bob", "alien"), "restarted"),
        (
            "a start key outside the condition",
            "Query",
            start("movie#1", "ann", "zodiac"),
            "starting key does not match",
        ),
    ]
}

#[tokio::test]
async fn what_dynamodb_refuses_is_refused() {
    let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
    let template = Template::load("../template.yaml").expect("template.yaml is readable");
    database.create_tables(template.tables()).expect("tables");
    let proxy = FaultProxy::start(database.endpoint()).await.expect("a proxy");
    let movie = json!({"pk": {"S": "movie#1"}, "added_by": {"S": "ann"}, "name_key": {"S": "alien"}});
    proxy.request("PutItem", &on_movies(json!({"Item": movie}))).await.expect("an item");
    proxy
        .request(
            "Query",
            &page(json!({"pk": {"S": "movie#0"}, "added_by": {"S": "ann"}, "name_key": {"S": "al"}})),
        )
        .await
        .expect("a page");
    for (rule, operation, request, message) in refused() {
        let error = proxy.request(operation, &request).await.err();
        let error = error.unwrap_or_else(|| panic!("{rule} is accepted")).to_string();
        let is_expected = error.contains("ValidationException") && error.contains(message);
        assert!(is_expected, "{rule}: {error}");
    }
    assert_eq!(database.items("MoviesTable").expect("items"), [movie]);
}
