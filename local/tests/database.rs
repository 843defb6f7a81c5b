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

/// Requests the write of an item as the AWS CLI does, with further headers.
async fn put(database: &EmbeddedDatabase, method: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260701/eu-west-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}/", database.endpoint()))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.PutItem")
        .header("x-amz-date", "20260701T000000Z")
        .header("authorization", signature);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = json!({"TableName": "MoviesTable", "Item": {"pk": {"S": "movie#1"}}}).to_string();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.body(body.into()).expect("a request")).await.expect("a response");
    let (head, body) = response.into_parts();
    body.collect().await.expect("a body");
    (head.status, head.headers)
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
