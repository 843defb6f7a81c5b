//! The GetItem of `get-movie` with the client of the functions, but without sanitizing, logging and parsing: the share
//! of the SDK and the runtime in a warm `get-movie`.

use std::env;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = shared::runtime::bare_client().await?;
    let table = env::var("MOVIES_TABLE")?;
    run(service_fn(|request: Request| {
        let (client, table) = (&client, &table);
        async move { handle(client, table, &request).await }
    }))
    .await
}

async fn handle(client: &Client, table: &str, request: &Request) -> Result<Response<Body>, Error> {
    let id = request.path_parameters().first("id").ok_or("no id")?.to_owned();
    let key = AttributeValue::S(format!("movie#{id}"));
    let found = client.get_item().table_name(table).key("pk", key).consistent_read(true).send().await?;
    let item = found.item.ok_or("no such movie")?;
    let name = item.get("name").and_then(|name| name.as_s().ok());
    Ok(Response::new(json!({"id": id, "name": name}).to_string().into()))
}
