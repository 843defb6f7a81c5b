//! The embedded database over HTTP, as programs and web pages reach it.

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local::{
    database::{EmbeddedDatabase, Storage},
    template::Template,
};
use serde_json::{Value, json};

async fn database() -> EmbeddedDatabase {
    let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
    let template = Template::load("../template.yaml").expect("template.yaml is readable");
    database.create_tables(template.tables()).expect("tables");
    database
}

/// Sends a request as the AWS CLI does, with further headers.
async fn send(
    database: &EmbeddedDatabase,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> (StatusCode, HeaderMap, Bytes) {
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260701/eu-west-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}/", database.endpoint()))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target)
        .header("x-amz-date", "20260701T000000Z")
        .header("authorization", signature);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = request.body(Full::new(body.into())).expect("a request");
    let (head, body) = client.request(request).await.expect("a response").into_parts();
    (head.status, head.headers, body.collect().await.expect("a body").to_bytes())
}

/// Requests the write of an item.
async fn put(database: &EmbeddedDatabase, method: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
    let body = json!({"TableName": "MoviesTable", "Item": {"pk": {"S": "movie#1"}}}).to_string();
    let put = (method, "DynamoDB_20120810.PutItem");
    let (status, received, _) = send(database, put, headers, body).await;
    (status, received)
}

#[tokio::test]
async fn responses_and_errors_have_the_form_of_dynamodb() {
    let database = database().await;
    let movie = json!({"pk": {"S": "movie#1"}});
    let write =
        json!({"TableName": "MoviesTable", "Item": movie, "ConditionExpression": "attribute_not_exists(pk)"});
    let transaction = json!({"TransactItems": [{"Put": write}]});
    let (tables, write, transaction) = (json!({}).to_string(), write.to_string(), transaction.to_string());
    let no_table = json!({"TableName": "Nothing", "Key": movie}).to_string();
    let no_value = json!({"TableName": "MoviesTable", "Item": {"pk": {}}}).to_string();
    let null = json!({"TableName": "MoviesTable", "Item": {"pk": {"NULL": false}}}).to_string();
    let no_key = json!({"TableName": "MoviesTable", "Item": {"name": {"S": "Alien"}}}).to_string();
    for (target, body, kind) in [
        ("DynamoDB_20120810.ListTables", &*tables, ""),
        ("DynamoDBStreams_20120810.ListStreams", &tables, ""),
        ("DynamoDB_20120810.PutItem", &write, ""),
        ("DynamoDB_20120810.PutItem", &write, "ConditionalCheckFailedException"),
        ("DynamoDB_20120810.TransactWriteItems", &transaction, "TransactionCanceledException"),
        ("DynamoDB_20120810.GetItem", &no_table, "ResourceNotFoundException"),
        ("DynamoDB_20120810.PutItem", &no_value, "ValidationException"),
        ("DynamoDB_20120810.PutItem", &null, "ValidationException"),
        ("DynamoDB_20120810.PutItem", &no_key, "ValidationException"),
        ("DynamoDB_20120810.GetItem", r#"{"TableName": 5}"#, "SerializationException"),
        ("DynamoDB_20120810.GetItem", "no JSON", "SerializationException"),
        ("DynamoDB_20120810.DropTable", &tables, "UnknownOperationException"),
        ("DynamoDB_20111205.ListTables", &tables, "UnknownOperationException"),
        ("", &tables, "UnknownOperationException"),
    ] {
        let (status, headers, received) = send(&database, ("POST", target), &[], body.to_owned()).await;
        let expected = if kind.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let response: Value = serde_json::from_slice(&received).expect("JSON");
        let named = response["__type"].as_str().unwrap_or_default();
        let named = named.rsplit('#').next().unwrap_or_default();
        assert_eq!((status, named), (expected, kind), "{target} {body}: {response}");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.0", "{target} {body}");
        assert_eq!(headers["x-amz-crc32"], crc32fast::hash(&received).to_string(), "{target} {body}");
        assert!(headers.contains_key("x-amzn-requestid"), "{target} {body}");
    }
}

#[tokio::test]
async fn requests_of_web_pages_are_refused_and_write_nothing() {
    let database = database().await;
    let page = ("origin", "https://evil.example");
    let own_page = format!("http://127.0.0.1:{}", database.port());
    let preflight = ("access-control-request-method", "POST");
    for (method, headers) in [
        ("POST", vec![page]),
        ("POST", vec![("origin", "null")]),
        ("POST", vec![("origin", own_page.as_str())]),
        ("GET", vec![page]),
        ("OPTIONS", vec![page, preflight, ("access-control-request-headers", "x-amz-target")]),
        // Such as the address of an image, which a browser requests without an `Origin`.
        ("GET", vec![("sec-fetch-site", "cross-site")]),
        ("POST", vec![("host", "evil.example")]),
        ("POST", vec![("host", "evil.example:8000")]),
        ("GET", vec![("host", "127.0.0.1.evil.example")]),
    ] {
        let (status, received) = put(&database, method, &headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} with {headers:?}");
        let cors = received.keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(cors, None, "{method} with {headers:?}");
    }
    assert_eq!(database.items("MoviesTable").expect("items"), [] as [Value; 0]);
}

#[tokio::test]
async fn programs_of_this_machine_are_served_by_any_of_its_names() {
    let database = database().await;
    for host in ["127.0.0.1", "localhost:8000", "[::1]:1"] {
        let (status, received) = put(&database, "POST", &[("host", host)]).await;
        assert_eq!(status, StatusCode::OK, "{host}");
        assert!(received.contains_key("x-amzn-requestid"), "{host}: {received:?}");
        let item = json!({"pk": {"S": "movie#1"}});
        assert_eq!(database.items("MoviesTable").expect("items"), [item], "{host}");
    }
}
