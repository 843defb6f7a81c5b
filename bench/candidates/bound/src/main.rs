//! The GetItem of `get-movie` with the libraries below the AWS SDK's client: `aws-sigv4`, hyper and rustls. The difference
//! to `minimal` is what the client costs: configuration, endpoint rules, retries, timeouts and a pool of connections.

mod database;

use std::env;

use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn};
use serde_json::json;

use database::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let database = Database::from_env()?;
    // Like the functions, it starts without a connection if none can be opened.
    let _ = database.connect().await;
    let table = env::var("MOVIES_TABLE")?;
    run(service_fn(|request: Request| {
        let (database, table) = (&database, &table);
        async move { handle(database, table, &request).await }
    }))
    .await
}

async fn handle(database: &Database, table: &str, request: &Request) -> Result<Response<Body>, Error> {
    let id = request.path_parameters().first("id").ok_or("no id")?.to_owned();
    let key = json!({"pk": {"S": format!("movie#{id}")}});
    let body = json!({"TableName": table, "Key": key, "ConsistentRead": true});
    let found = database.call("GetItem", &body).await?;
    let item = found.get("Item").ok_or("no such movie")?;
    Ok(Response::new(json!({"id": id, "name": item["name"]["S"]}).to_string().into()))
}
