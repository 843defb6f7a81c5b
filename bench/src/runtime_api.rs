//! A Lambda Runtime API for one process, which notes the time and the process's CPU clock at every call.
//!
//! The process waits for each answer, so what its CPU clock shows when a call has come in is what it spent until then.
//! The Runtime API of `local`, which tests use, replaces processes and queues events, and takes no times.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
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

/// How long an invocation may take, as the function is told. It is never enforced.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A call of the process.
pub struct Call {
    /// When it had come in.
    pub at: Instant,
    /// What the process had spent by then, all threads together.
    pub cpu: Duration,
    /// What it is.
    pub kind: Kind,
}

/// What a process can call.
pub enum Kind {
    /// It asks for an event, and waits until it gets one.
    Next(oneshot::Sender<Vec<u8>>),
    /// It answers the event that it got at `handed`.
    Response {
        /// When the event went out.
        handed: Instant,
        /// The answer.
        body: Bytes,
    },
    /// It reports an error.
    Error(Bytes),
}

#[derive(Clone)]
struct Serving {
    name: Arc<str>,
    clock: ClockId,
    calls: mpsc::UnboundedSender<Call>,
    handed: Arc<Mutex<Option<Instant>>>,
}

/// Serves the process with this CPU clock until the future is dropped.
pub async fn serve(listener: TcpListener, name: &str, clock: ClockId, calls: mpsc::UnboundedSender<Call>) {
    let serving = Serving { name: name.into(), clock, calls, handed: Arc::default() };
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(error))
        .layer(DefaultBodyLimit::disable())
        .with_state(serving);
    // It fails only when the listener does, and then the process gets no answer and is reported for that.
    let _ = axum::serve(listener, router).await;
}

impl Serving {
    fn tell(&self, kind: impl FnOnce(&mut Option<Instant>) -> Option<Kind>) -> StatusCode {
        let at = Instant::now();
        let Ok(cpu) = self.clock.now() else { return StatusCode::GONE };
        let kind = kind(&mut self.handed.lock().unwrap_or_else(PoisonError::into_inner));
        let told = kind.and_then(|kind| self.calls.send(Call { at, cpu: cpu.into(), kind }).ok());
        if told.is_some() { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST }
    }
}

async fn next(State(serving): State<Serving>) -> Response {
    let (event_sender, event) = oneshot::channel();
    serving.tell(|_| Some(Kind::Next(event_sender)));
    // Nobody has an event any more: the measurement is over and the process about to be killed.
    let Ok(event) = event.await else { return StatusCode::GONE.into_response() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", format!("8476a536-e9f4-11e8-9739-{:012x}", now.subsec_nanos())),
        ("Lambda-Runtime-Deadline-Ms", (now + TIME_LIMIT).as_millis().to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", serving.name),
        ),
        ("Lambda-Runtime-Trace-Id", format!("Root=1-{:08x}-0123456789abcdef01234567", now.as_secs())),
    ];
    *serving.handed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    (headers, event).into_response()
}

async fn response(State(serving): State<Serving>, body: Bytes) -> StatusCode {
    serving.tell(|handed| Some(Kind::Response { handed: handed.take()?, body }))
}

async fn error(State(serving): State<Serving>, body: Bytes) -> StatusCode {
    serving.tell(|_| Some(Kind::Error(body)))
}
