//! A gate that holds calls until a test opens it, which makes a race deterministic.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::observed::Observed;

/// How long a test waits for the next call to reach the gate or to pass it by.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gate at which calls wait. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Observed<State>>);

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    /// The number of calls that reached the gate.
    held: usize,
    /// The number of calls that its rule let through before.
    let_by: usize,
    /// The calls that it holds, in words.
    holds: Vec<String>,
}

impl Gate {
    /// Returns a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until a call has reached the gate.
    ///
    /// # Panics
    ///
    /// Panics if for ten seconds no call arrives, and the rule lets no call through.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until so many calls have reached the gate.
    ///
    /// # Panics
    ///
    /// Panics if for ten seconds no further call arrives, and the rule lets no call through.
    pub async fn reached_by(&self, calls: usize) {
        let mut seen = (0, 0);
        while seen.0 < calls {
            let changed = self.0.when(|state| {
                let now = (state.held, state.let_by);
                (now != seen).then_some(now)
            });
            let Ok(now) = timeout(PATIENCE, changed).await else {
                let (held, let_by) = seen;
                let holds = self.0.lock().holds.join("; ");
                panic!(
                    "{held} of {calls} calls reached the gate, {let_by} passed before, and no other for {} s. \
                     The gate holds: {holds}",
                    PATIENCE.as_secs(),
                );
            };
            seen = now;
        }
    }

    /// Lets all calls through, now and later.
    pub fn open(&self) {
        self.0.change(|state| state.is_open = true);
    }

    /// Notes which calls it will hold, for the message if none arrives.
    pub(crate) fn will_hold(&self, calls: String) {
        self.0.lock().holds.push(calls);
    }

    /// Notes that the rule has let a call through.
    pub(crate) fn let_by(&self) {
        self.0.change(|state| state.let_by += 1);
    }

    /// Waits at the gate until it is open.
    pub(crate) async fn pass(&self) {
        self.0.change(|state| state.held += 1);
        self.0.when(|state| state.is_open.then_some(())).await;
    }
}
