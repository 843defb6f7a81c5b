//! What the instances of a function share: the invocations that wait, and the log.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::Outcome;

/// An event, and where its outcome goes.
pub struct Invocation {
    pub event: Vec<u8>,
    pub reply: oneshot::Sender<Outcome>,
}

/// One queue for all instances, so that whichever is free takes the next invocation.
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

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
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub async fn invoke(&self, event: Vec<u8>) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        {
            let mut state = self.state();
            if state.running == 0 {
                return state.last_end.clone();
            }
            state.waiting.push_back(Invocation { event, reply });
        }
        self.changed.notify_waiters();
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Crashed { status: "stopped".to_owned(), logs: String::new() },
        }
    }

    /// The next invocation whose caller still waits for it.
    pub async fn take(&self) -> Invocation {
        self.when(|state| {
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
        let mut state = self.state();
        state.running -= 1;
        state.last_end = end;
        if state.running == 0 {
            for invocation in std::mem::take(&mut state.waiting) {
                // The caller may have gone; then nobody wants to know.
                let _ = invocation.reply.send(state.last_end.clone());
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// One more instance has initialised.
    pub fn instance_ready(&self) {
        self.state().ready += 1;
        self.changed.notify_waiters();
    }

    /// Waits until so many instances have initialised; gives the end of the last one if none runs any more.
    pub async fn ready(&self, instances: usize) -> Result<(), Outcome> {
        self.when(|state| match state {
            state if state.ready >= instances => Some(Ok(())),
            state if state.running == 0 => Some(Err(state.last_end.clone())),
            _ => None,
        })
        .await
    }

    pub fn running(&self) -> usize {
        self.state().running
    }

    pub async fn nothing_runs(&self) {
        self.when(|state| (state.running == 0).then_some(())).await;
    }

    async fn when<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listening before looking: a change in between is not missed.
            changed.as_mut().enable();
            if let Some(value) = ready(&mut self.state()) {
                return value;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
