//! What the instances of a function share: the invocations that wait, and the log.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::Outcome;
use crate::observed::Observed;

/// An event, and where its outcome goes.
pub struct Invocation {
    pub event: Vec<u8>,
    pub reply: oneshot::Sender<Outcome>,
}

/// One queue for all instances, so that whichever is free takes the next invocation.
pub struct Queue(Observed<State>);

struct State {
    waiting: VecDeque<Invocation>,
    running: usize,
    ready: usize,
    last_end: Outcome,
}

impl Queue {
    pub fn new(instances: usize) -> Self {
        let last_end = Outcome::Crashed { status: "never started".to_owned(), logs: String::new() };
        let state = State { waiting: VecDeque::new(), running: instances, ready: 0, last_end };
        Self(Observed::new(state))
    }

    pub async fn invoke(&self, event: Vec<u8>) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let refused = self.0.change(|state| {
            if state.running == 0 {
                return Some(state.last_end.clone());
            }
            state.waiting.push_back(Invocation { event, reply });
            None
        });
        if let Some(last_end) = refused {
            return last_end;
        }
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Crashed { status: "stopped".to_owned(), logs: String::new() },
        }
    }

    /// The next invocation whose caller still waits for it.
    pub async fn take(&self) -> Invocation {
        self.0
            .when(|state| {
                while let Some(invocation) = state.waiting.pop_front() {
                    if !invocation.reply.is_closed() {
                        return Some(invocation);
                    }
                }
                None
            })
            .await
    }

    /// One instance has ended for good. Behind the last one nobody is left to take what waits.
    pub fn instance_ended(&self, end: Outcome) {
        self.0.change(|state| {
            state.running -= 1;
            state.last_end = end;
            if state.running == 0 {
                for invocation in std::mem::take(&mut state.waiting) {
                    // The caller may have gone; then nobody wants to know.
                    let _ = invocation.reply.send(state.last_end.clone());
                }
            }
        });
    }

    /// One more instance has initialised.
    pub fn instance_ready(&self) {
        self.0.change(|state| state.ready += 1);
    }

    /// Waits until so many instances have initialised; gives the end of the last one if none runs any more.
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

    pub async fn nothing_runs(&self) {
        self.0.when(|state| (state.running == 0).then_some(())).await;
    }
}

/// Lines that processes have written.
#[derive(Default)]
pub struct Logs(Mutex<Vec<String>>);

impl Logs {
    pub fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
