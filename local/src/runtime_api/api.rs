//! The four requests of the Runtime API, version 2018-06-01, as one process makes them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    queue::{Outcome, Queue, Reply},
    written::Written,
};
use crate::{
    clock,
    observed::Observed,
    template::{ACCOUNT, REGION},
};

/// The process that a Runtime API serves.
pub struct Process {
    pub function: String,
    pub timeout: Duration,
    pub queue: Arc<Queue>,
    pub state: Observed<ProcessState>,
    /// What it writes, unless that is lost on purpose.
    pub written: Option<Arc<Written>>,
}

#[derive(Default)]
pub struct ProcessState {
    /// Whether it has initialized, which is until it requests its first event.
    pub is_ready: bool,
    pub is_out_of_time: bool,
    pub has_ended: bool,
    pub current: Option<Current>,
}

/// The invocation that a process is handling.
pub struct Current {
    id: Uuid,
    pub reply: oneshot::Sender<Reply>,
}

impl Process {
    /// Ends the current invocation, if it is the one with this id. Returns whether it was.
    async fn finish(self: &Arc<Self>, id: Uuid, outcome: Outcome) -> bool {
        let current = self.state.lock().current.take_if(|current| current.id == id);
        let Some(current) = current else { return false };
        let process = Arc::clone(self);
        // A task of its own, because the server drops this future if the process ends as soon as it has responded.
        let reply = tokio::spawn(async move {
            // Sending fails if the caller has gone.
            let _ = current.reply.send((outcome, process.end_of_lines().await));
        });
        reply.await.is_ok()
    }

    /// Ends the lines of the current invocation, and returns them.
    pub async fn end_of_lines(&self) -> Vec<String> {
        match &self.written {
            Some(written) => written.end().await,
            None => Vec::new(),
        }
    }
}

pub fn router(process: Arc<Process>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(async || StatusCode::ACCEPTED))
        .layer(DefaultBodyLimit::disable())
        .with_state(process)
}

async fn next(State(process): State<Arc<Process>>) -> Response {
    if !std::mem::replace(&mut process.state.lock().is_ready, true) {
        process.queue.instance_ready();
    }
    let invocation = tokio::select! {
        biased;
        () = process.state.when(|state| state.has_ended.then_some(())) => {
            return StatusCode::GONE.into_response();
        }
        invocation = process.queue.take() => invocation,
    };
    let id = Uuid::new_v4();
    if let Some(written) = &process.written {
        written.begin();
    }
    process.state.lock().current = Some(Current { id, reply: invocation.reply });
    let response = event_response(id, &process.function, process.timeout, invocation.event);
    tokio::spawn(async move {
        tokio::time::sleep(process.timeout).await;
        if process.finish(id, Outcome::TimedOut).await {
            process.state.change(|state| state.is_out_of_time = true);
        }
    });
    response
}

async fn response(State(process): State<Arc<Process>>, Path(id): Path<Uuid>, body: Bytes) -> StatusCode {
    status(process.finish(id, response_outcome(&body)).await)
}

async fn error(
    State(process): State<Arc<Process>>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    status(process.finish(id, error_outcome(&headers, &body)).await)
}

fn status(is_accepted: bool) -> StatusCode {
    if is_accepted { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST }
}

/// Returns the response that hands an event to a process, with the headers of Lambda.
fn event_response(id: Uuid, function: &str, timeout: Duration, event: Vec<u8>) -> Response {
    let deadline = clock::now() + timeout;
    let random = Uuid::new_v4().simple().to_string();
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", id.to_string()),
        ("Lambda-Runtime-Deadline-Ms", clock::milliseconds(deadline).to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"),
        ),
        ("Lambda-Runtime-Trace-Id", format!("Root=1-{:08x}-{}", deadline.unix_timestamp(), &random[..24])),
    ];
    (headers, event).into_response()
}

/// Returns the outcome that a process reports as its response.
fn response_outcome(body: &[u8]) -> Outcome {
    serde_json::from_slice(body).map_or_else(
        |error| Outcome::Error {
            error_type: "Runtime.MalformedResponse".to_owned(),
            message: format!("the function's response is not JSON: {error}"),
        },
        Outcome::Response,
    )
}

/// Returns the outcome that a process reports as its error.
fn error_outcome(headers: &HeaderMap, body: &[u8]) -> Outcome {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let in_header = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    let error_type = report["errorType"].as_str().or(in_header).unwrap_or("Unhandled").to_owned();
    let message = report["errorMessage"].as_str().unwrap_or_default().to_owned();
    Outcome::Error { error_type, message }
}
