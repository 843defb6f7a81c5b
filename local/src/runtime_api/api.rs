//! The Runtime API's four requests, version 2018-06-01.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::sync::watch;

use super::{
    Outcome,
    process::{Current, Process},
};
use crate::{
    clock,
    template::{ACCOUNT, REGION},
};

type Serving = State<watch::Receiver<Arc<Process>>>;

pub fn router(serving: watch::Receiver<Arc<Process>>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(|| async { StatusCode::ACCEPTED }))
        .layer(DefaultBodyLimit::disable())
        .with_state(serving)
}

async fn next(State(serving): Serving) -> Response {
    let process = Arc::clone(&serving.borrow());
    if !process.ready.swap(true, Ordering::Relaxed) {
        process.queue.instance_ready();
    }
    let mut ended = process.ended.subscribe();
    let invocation = tokio::select! {
        biased;
        _ = ended.wait_for(|ended| *ended) => return StatusCode::GONE.into_response(),
        invocation = process.queue.take() => invocation,
    };
    let id = uuid::Uuid::new_v4().to_string();
    let current = Current { id: id.clone(), reply: invocation.reply };
    *process.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
    let deadline = clock::now() + process.options.timeout;
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", process.options.name);
    let trace = format!("Root=1-{:08x}-{}", deadline.unix_timestamp(), &id.replace('-', "")[..24]);
    tokio::spawn(end_in_time(process, id.clone()));
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", id),
        ("Lambda-Runtime-Deadline-Ms", clock::milliseconds(deadline).to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", function),
        ("Lambda-Runtime-Trace-Id", trace),
    ];
    (headers, invocation.event).into_response()
}

async fn end_in_time(process: Arc<Process>, id: String) {
    tokio::time::sleep(process.options.timeout).await;
    if let Some(current) = process.take_current(&id) {
        let _ = current.reply.send(Outcome::TimedOut);
        process.out_of_time.notify_one();
    }
}

async fn response(state: Serving, id: Path<String>, body: Bytes) -> StatusCode {
    let outcome = match serde_json::from_slice(&body) {
        Ok(value) => Outcome::Response(value),
        Err(error) => Outcome::Error {
            error_type: "Runtime.MalformedResponse".to_owned(),
            message: format!("the function's answer is not JSON: {error}"),
        },
    };
    finish(&state, &id, outcome)
}

async fn error(state: Serving, id: Path<String>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    let in_header = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    let error_type = report["errorType"].as_str().or(in_header).unwrap_or("Unhandled").to_owned();
    let message = report["errorMessage"].as_str().unwrap_or_default().to_owned();
    finish(&state, &id, Outcome::Error { error_type, message })
}

fn finish(serving: &watch::Receiver<Arc<Process>>, id: &str, outcome: Outcome) -> StatusCode {
    let Some(current) = serving.borrow().take_current(id) else { return StatusCode::BAD_REQUEST };
    // The caller may have gone; the function is not to blame.
    let _ = current.reply.send(outcome);
    StatusCode::ACCEPTED
}
