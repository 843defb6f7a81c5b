//! What the instances of a function share: the invocations that wait, and the log.

use std::{collections::VecDeque, sync::Mutex};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::observed::{Observed, lock};

/// The outcome of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function's response.
    Response(Value),
    /// The function reported an error to the Runtime API.
    #[expect(missing_docs, reason = "the Runtime API's own names")]
    Error { error_type: String, message: String },
    /// The process ended during the invocation, or no process is left to handle it.
    Crashed {
        /// How it ended, such as `exit status: 101`.
        status: String,
        /// What it wrote to its standard output and error.
        logs: String,
    },
    /// The invocation took too long; its process was killed.
    TimedOut,
}

impl Outcome {
    /// Returns the outcome of invocations of a process that could not be started.
    pub(super) fn not_started(error: &anyhow::Error) -> Self {
        Self::Crashed { status: format!("{error:#}"), logs: String::new() }
    }
}

/// The outcome of an invocation, and the lines that its process wrote until then.
pub type Reply = (Outcome, Vec<String>);

/// An event, and the receiver of the reply.
pub struct Invocation {
    pub event: Vec<u8>,
    pub reply: oneshot::Sender<Reply>,
}

/// One queue for all instances, so that the first free one takes the next invocation.
pub struct Queue(Observed<State>);

struct State {
    waiting: VecDeque<Invocation>,
    /// The invocations that wait or are being handled.
    in_flight: usize,
    running: usize,
    ready: usize,
    last_end: Outcome,
}

impl Queue {
    pub fn new(instances: usize) -> Self {
        let last_end = Outcome::Crashed { status: "never started".to_owned(), logs: String::new() };
        let state = State { waiting: VecDeque::new(), in_flight: 0, running: instances, ready: 0, last_end };
        Self(Observed::new(state))
    }

    pub async fn invoke(&self, event: Vec<u8>) -> Reply {
        let (reply, receiver) = oneshot::channel();
        let _counted = InFlight::new(self);
        let refused = self.0.change(|state| {
            if state.running == 0 {
                return Some(state.last_end.clone());
            }
            state.waiting.push_back(Invocation { event, reply });
            None
        });
        if let Some(last_end) = refused {
            return (last_end, Vec::new());
        }
        let stopped = || Outcome::Crashed { status: "stopped".to_owned(), logs: String::new() };
        receiver.await.unwrap_or_else(|_| (stopped(), Vec::new()))
    }

    /// Counts one more instance, if there are fewer instances than invocations with the next one, and fewer than `most`, and
    /// if an instance has shown that the function starts. Returns whether it did: then the caller starts the instance.
    pub fn grow(&self, most: usize) -> bool {
        let mut state = self.0.lock();
        let grows = state.ready > 0 && state.running < most && state.running <= state.in_flight;
        state.running += usize::from(grows);
        grows
    }

    /// Waits for the next invocation whose caller still waits for it.
    pub async fn take(&self) -> Invocation {
        self.0.when(|state| next_invocation(&mut state.waiting)).await
    }

    /// Notes that one instance has ended for good. After the last one, no process is left for the invocations that wait.
    pub fn instance_ended(&self, end: Outcome) {
        self.0.change(|state| {
            state.running -= 1;
            state.last_end = end;
            if state.running == 0 {
                for invocation in std::mem::take(&mut state.waiting) {
                    // It fails if the caller has gone.
                    let _ = invocation.reply.send((state.last_end.clone(), Vec::new()));
                }
            }
        });
    }

    /// Notes that one more instance has initialized.
    pub fn instance_ready(&self) {
        self.0.change(|state| state.ready += 1);
    }

    /// Waits until so many instances have initialized. Returns the end of the last one if all have ended instead.
    pub async fn ready(&self, instances: usize) -> Result<(), Outcome> {
        self.0
            .when(|state| match state {
                state if state.ready >= instances => Some(Ok(())),
                state if state.running == 0 => Some(Err(state.last_end.clone())),
                _ => None,
            })
            .await
    }

    pub fn running(&self) -> usize {
        self.0.lock().running
    }

    pub async fn all_ended(&self) {
        self.0.when(|state| (state.running == 0).then_some(())).await;
    }
}

/// Counts an invocation as long as its caller waits.
struct InFlight<'a>(&'a Queue);

impl<'a> InFlight<'a> {
    fn new(queue: &'a Queue) -> Self {
        queue.0.lock().in_flight += 1;
        Self(queue)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.0.lock().in_flight -= 1;
    }
}

/// Removes the first invocation whose caller still waits for it.
fn next_invocation(waiting: &mut VecDeque<Invocation>) -> Option<Invocation> {
    std::iter::from_fn(|| waiting.pop_front()).find(|invocation| !invocation.reply.is_closed())
}

/// The latest lines that processes have written.
pub struct Logs {
    most: usize,
    lines: Mutex<VecDeque<String>>,
}

impl Logs {
    /// Returns logs that keep at most so many lines.
    pub fn new(most: usize) -> Self {
        Self { most, lines: Mutex::default() }
    }

    pub fn add(&self, line: String) {
        let mut lines = lock(&self.lines);
        if lines.len() == self.most {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).iter().cloned().collect()
    }
}
