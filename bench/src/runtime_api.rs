//! A Lambda Runtime API for one process, which records the time and the process's CPU clock at every call.
//!
//! The process waits for each response, so its CPU clock at a call shows what it has consumed until then. The Runtime
//! API of `local`, which tests use, replaces processes and queues events, and records no times.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use local::template::{ACCOUNT, REGION};
use nix::time::ClockId;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

/// The time limit that the function is told. It is never enforced.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A call of the process.
pub struct RuntimeCall {
    /// When the call had come in.
    pub at: Instant,
    /// The CPU time that the process had consumed by then, all threads together.
    pub cpu: Duration,
    pub kind: Kind,
}

/// The calls that a process can make.
pub enum Kind {
    /// It asks for an event, and waits until it gets one.
    Next(oneshot::Sender<Vec<u8>>),
    /// It responds to the event that went out at `sent`.
    Response { sent: Instant, body: Bytes },
    /// It reports an error.
    Error(Bytes),
}

#[derive(Clone)]
struct Serving {
    clock: ClockId,
    calls: mpsc::UnboundedSender<RuntimeCall>,
    /// When the current event went out.
    sent: Arc<Mutex<Option<Instant>>>,
}

/// Serves the process with this CPU clock until the future is dropped.
pub async fn serve(listener: TcpListener, clock: ClockId, calls: mpsc::UnboundedSender<RuntimeCall>) {
    let serving = Serving { clock, calls, sent: Arc::default() };
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(error))
        .layer(DefaultBodyLimit::disable())
        .with_state(serving);
    // It fails only when the listener does. Then the process gets no event, and that is reported.
    let _ = axum::serve(listener, router).await;
}

impl Serving {
    fn record(&self, kind: Kind) -> StatusCode {
        let at = Instant::now();
        let Ok(cpu) = self.clock.now() else { return StatusCode::GONE };
        let recorded = self.calls.send(RuntimeCall { at, cpu: cpu.into(), kind });
        if recorded.is_ok() { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST }
    }
}

async fn next(State(serving): State<Serving>) -> Response {
    let (event_sender, event) = oneshot::channel();
    serving.record(Kind::Next(event_sender));
    // No event comes once the measurement is over, when the process is about to be killed.
    let Ok(event) = event.await else { return StatusCode::GONE.into_response() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench");
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", format!("8476a536-e9f4-11e8-9739-{:012x}", now.subsec_nanos())),
        ("Lambda-Runtime-Deadline-Ms", (now + TIME_LIMIT).as_millis().to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", function),
        ("Lambda-Runtime-Trace-Id", format!("Root=1-{:08x}-0123456789abcdef01234567", now.as_secs())),
    ];
    *serving.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    (headers, event).into_response()
}

async fn response(State(serving): State<Serving>, body: Bytes) -> StatusCode {
    let sent = serving.sent.lock().unwrap_or_else(PoisonError::into_inner).take();
    sent.map_or(StatusCode::BAD_REQUEST, |sent| serving.record(Kind::Response { sent, body }))
}

async fn error(State(serving): State<Serving>, body: Bytes) -> StatusCode {
    serving.record(Kind::Error(body))
}
