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

/// The rule that a request breaks, the operation, the request, and a part of the error's message.
type Refused = (&'static str, &'static str, Value, &'static str);

/// Returns a request with these members on the table of movies.
fn on_movies(mut members: Value) -> Value {
    members["TableName"] = json!("MoviesTable");
    members
}

fn text(text: &str) -> Value {
    json!({"S": text})
}

fn key() -> Value {
    json!({"pk": text("movie#1")})
}

/// Returns a deletion of a movie with a condition. `with` has the names and values of the condition.
fn deletion(condition: &str, with: &Value) -> Value {
    let mut request = with.clone();
    request["Key"] = key();
    request["ConditionExpression"] = json!(condition);
    on_movies(request)
}

fn update(expression: &str, value: &Value) -> Value {
    let values = json!({":value": value});
    on_movies(json!({"Key": key(), "UpdateExpression": expression, "ExpressionAttributeValues": values}))
}

fn get(key: &Value) -> Value {
    on_movies(json!({"Key": key}))
}

fn put(attribute: &str, value: &Value) -> Value {
    on_movies(json!({"Item": {"pk": text("movie#2"), attribute: value}}))
}

fn expressions() -> Vec<Refused> {
    let none = &json!({});
    let values = &json!({"ExpressionAttributeValues": {":a": text("a")}});
    let names = &json!({"ExpressionAttributeNames": {"#a": "a"}});
    let projection = |names: &str| on_movies(json!({"Key": key(), "ProjectionExpression": names}));
    let (exists, long) = ("attribute_exists(pk)", ["attribute_exists(pk)"; 180].join(" AND "));
    let twice = "SET genre = :value, genre = :value";
    vec![
        ("a reserved word in a condition", "DeleteItem", deletion("status = :a", values), "reserved"),
        ("a reserved word in a projection", "GetItem", projection("name"), "reserved"),
        ("a reserved word in an update", "UpdateItem", update("SET name = :value", &text("a")), "reserved"),
        ("a value that is not used", "DeleteItem", deletion(exists, values), "unused"),
        ("a name that is not used", "DeleteItem", deletion(exists, names), "unused"),
        ("a value that is not given", "DeleteItem", deletion("pk = :a", none), "not defined"),
        ("a name that is not given", "DeleteItem", deletion("attribute_exists(#a)", none), "not defined"),
        ("an expression over 4 KB", "DeleteItem", deletion(&long, none), "size"),
        ("an update of the key", "UpdateItem", update("SET pk = :value", &text("a")), "part of the key"),
        ("two updates of one attribute", "UpdateItem", update(twice, &text("a")), "overlap"),
        ("an attribute that is projected twice", "GetItem", projection("id, id"), "overlap"),
        (
            "an addition to a text",
            "UpdateItem",
            update("ADD added_by :value", &json!({"N": "1"})),
            "incorrect",
        ),
    ]
}

fn values() -> Vec<Refused> {
    let large = text(&"x".repeat(400 * 1024));
    let (no_names, same_names) = (json!({"SS": []}), json!({"SS": ["a", "a"]}));
    let number = |digits: usize| json!({"N": "1".repeat(digits)});
    let empty = "SET name_key = :value";
    vec![
        ("an empty key", "GetItem", get(&json!({"pk": text("")})), "empty"),
        ("a key over 2,048 bytes", "GetItem", get(&json!({"pk": text(&"x".repeat(2049))})), "2048"),
        (
            "a key with another attribute",
            "GetItem",
            get(&json!({"pk": text("a"), "id": text("a")})),
            "schema",
        ),
        ("an empty key of an index", "PutItem", put("name_key", &text("")), "empty"),
        ("a key of an index of another type", "PutItem", put("name_key", &number(1)), "mismatch"),
        (
            "an update that empties a key of an index",
            "UpdateItem",
            update(empty, &text("")),
            "secondary index",
        ),
        ("an item over 400 KB", "PutItem", put("text", &large), "size"),
        ("an update to more than 400 KB", "UpdateItem", update("SET details = :value", &large), "size"),
        ("an empty set", "PutItem", put("names", &no_names), "may not be empty"),
        ("a set with duplicates", "PutItem", put("names", &same_names), "duplicates"),
        ("a number of 39 digits", "PutItem", put("number", &number(39)), "38"),
    ]
}

fn transactions_and_batches() -> Vec<Refused> {
    let put = |item: Value| json!({"Put": {"TableName": "MoviesTable", "Item": item}});
    let writes = |items: Vec<Value>| json!({"TransactItems": items});
    let numbered = |count: usize| (0..count).map(|number| json!({"pk": text(&number.to_string())}));
    let large = |mut item: Value| {
        item["text"] = text(&"x".repeat(390_000));
        put(item)
    };
    let check = json!({"ConditionCheck": deletion("attribute_exists(pk)", &json!({}))});
    let mut long_token = writes(vec![put(key())]);
    long_token["ClientRequestToken"] = json!("x".repeat(37));
    let batch = |keys: Vec<Value>| json!({"RequestItems": {"MoviesTable": {"Keys": keys}}});
    let write = "TransactWriteItems";
    vec![
        ("a transaction of 101 items", write, writes(numbered(101).map(put).collect()), "100"),
        ("a transaction over 4 MB", write, writes(numbered(11).map(large).collect()), "size"),
        ("an item twice in a transaction", write, writes(vec![put(key()), check]), "operations on one item"),
        ("a token of 37 characters", write, long_token, "36"),
        ("a batch of 101 keys", "BatchGetItem", batch(numbered(101).collect()), "100"),
        ("a key twice in a batch", "BatchGetItem", batch(vec![key(), key()]), "duplicates"),
    ]
}

/// Returns a page of the movies of a user with a prefix, with other members.
fn page(others: &Value) -> Value {
    let mut request = on_movies(json!({
        "IndexName": "owner",
        "KeyConditionExpression": "added_by = :user AND begins_with(name_key, :prefix)",
        "ExpressionAttributeValues": {":user": text("ann"), ":prefix": text("al")},
    }));
    for (name, value) in others.as_object().expect("members") {
        request[name] = value.clone();
    }
    request
}

fn page_after(start: &Value) -> Value {
    page(&json!({"ExclusiveStartKey": start}))
}

fn queries() -> Vec<Refused> {
    let start =
        |user: &str, name: &Value| json!({"pk": text("movie#1"), "added_by": text(user), "name_key": name});
    let mut other_attribute = start("ann", &text("alien"));
    other_attribute["id"] = text("a");
    let filtered = json!({
        "KeyConditionExpression": "added_by = :user",
        "FilterExpression": "begins_with(name_key, :prefix)",
    });
    let without_partition = json!({
        "KeyConditionExpression": "begins_with(name_key, :prefix)",
        "ExpressionAttributeValues": {":prefix": text("al")},
    });
    let without_key = json!({"added_by": text("ann"), "name_key": text("alien")});
    let of_other_type = start("ann", &json!({"N": "1"}));
    let (invalid, query) = ("starting key is invalid", "Query");
    vec![
        ("a consistent read of an index", query, page(&json!({"ConsistentRead": true})), "not supported"),
        ("a page of no items", query, page(&json!({"Limit": 0})), "Limit"),
        ("a filter on a key", query, page(&filtered), "non-primary key"),
        ("a query without the partition key", query, page(&without_partition), "missed key schema element"),
        ("a start key without the table's key", query, page_after(&without_key), invalid),
        ("a start key without the index's key", query, page_after(&key()), invalid),
        ("a start key with another attribute", query, page_after(&other_attribute), invalid),
        ("a start key of another type", query, page_after(&of_other_type), invalid),
        ("a start key of another partition", query, page_after(&start("bob", &text("alien"))), "restarted"),
        (
            "a start key outside the condition",
            query,
            page_after(&start("ann", &text("zodiac"))),
            "does not match",
        ),
    ]
}

#[tokio::test]
async fn what_dynamodb_refuses_is_refused() {
    let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
    let template = Template::load("../template.yaml").expect("template.yaml is readable");
    database.create_tables(template.tables()).expect("tables");
    let proxy = FaultProxy::start(database.endpoint()).await.expect("a proxy");
    let movie = json!({"pk": text("movie#1"), "added_by": {"S": "ann"}, "name_key": {"S": "alien"}});
    proxy.request("PutItem", &on_movies(json!({"Item": movie}))).await.expect("an item");
    let refused = [expressions(), values(), transactions_and_batches(), queries()].concat();
    for (rule, operation, request, message) in refused {
        let error = proxy.request(operation, &request).await.err();
        let error = error.unwrap_or_else(|| panic!("{rule} is accepted")).to_string();
        let is_expected = error.contains("ValidationException") && error.contains(message);
        assert!(is_expected, "{rule}: {error}");
    }
    assert_eq!(database.items("MoviesTable").expect("items"), [movie]);
}
