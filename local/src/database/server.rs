//! The HTTP side of the database: DynamoDB's JSON protocol in front of the engine.
//!
//! dynoxide has its own server, but that server accepts the requests of every web page, and listens only on a TCP port,
//! where pages would find it.

use anyhow::Result;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    middleware,
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use dynoxide::Database;
use tokio::{net::TcpListener, sync::oneshot};
use uuid::Uuid;

use super::{guard, operations};

/// `DynamoDB` accepts bodies up to 16 MB.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Serves the database until `shutdown` is sent or dropped, and then finishes the requests that it is serving.
pub async fn serve(listener: TcpListener, database: Database, shutdown: oneshot::Receiver<()>) -> Result<()> {
    // Without Nagle's algorithm, because it makes the second part of a message wait up to 40 ms for the acknowledgment
    // of the first.
    let listener = listener.tap_io(|client| {
        let _ = client.set_nodelay(true);
    });
    let router = Router::new()
        .route("/", get(async || reply(StatusCode::OK, "healthy".to_owned())).post(execute))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(guard::refuse_web_pages))
        .with_state(database);
    let stopped = async move {
        // An error means that the sender was dropped, which is a shutdown too.
        let _ = shutdown.await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await?;
    Ok(())
}

async fn execute(State(database): State<Database>, headers: HeaderMap, body: String) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or_default();
    if !["DynamoDB_20120810", "DynamoDBStreams_20120810"].contains(&service) {
        return unknown_operation();
    }
    match operations::execute(&database, operation, &body) {
        Some(Ok(response)) => reply(StatusCode::OK, response),
        Some(Err(error)) => {
            let status = StatusCode::from_u16(error.status_code());
            reply(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.to_json())
        }
        None => unknown_operation(),
    }
}

fn unknown_operation() -> Response {
    let body = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
    reply(StatusCode::BAD_REQUEST, body.to_owned())
}

/// Returns a response with the headers of `DynamoDB`. SDKs compare the checksum with the body.
fn reply(status: StatusCode, body: String) -> Response {
    let headers = [
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amz-crc32", crc32fast::hash(body.as_bytes()).to_string()),
        ("x-amzn-requestid", Uuid::new_v4().simple().to_string().to_uppercase()),
    ];
    (status, headers, body).into_response()
}
