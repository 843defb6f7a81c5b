//! A gate that holds calls until a test lets them go, which makes a race deterministic.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::lock;

/// A gate at which no call arrives, and by which none goes, for so long is never reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    arrivals: Arc<watch::Sender<Arrivals>>,
    open: Arc<watch::Sender<bool>>,
    /// The calls that it holds, in words.
    holds: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug, Default)]
struct Arrivals {
    /// The calls that came to the gate.
    held: usize,
    /// The calls that its rule let through before.
    let_by: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            arrivals: Arc::new(watch::channel(Arrivals::default()).0),
            open: Arc::new(watch::channel(false).0),
            holds: Arc::default(),
        }
    }

    /// Waits until a call stands at the gate, or has passed it.
    ///
    /// # Panics
    ///
    /// If for ten seconds no call arrives, and none goes by that the rule lets through before.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until so many calls have come to the gate.
    ///
    /// # Panics
    ///
    /// If for ten seconds no further call arrives, and none goes by that the rule lets through before.
    pub async fn reached_by(&self, calls: usize) {
        let mut arrivals = self.arrivals.subscribe();
        loop {
            let held = arrivals.borrow_and_update().held;
            if held >= calls {
                return;
            }
            // The sender lives as long as this gate, so there is always a next change.
            if timeout(PATIENCE, arrivals.changed()).await.is_err() {
                let let_by = arrivals.borrow().let_by;
                let holds = lock(&self.holds).join("; ");
                panic!(
                    "{held} of {calls} calls came to the gate, {let_by} went by before, and no other for {} s. \
                     It holds: {holds}",
                    PATIENCE.as_secs(),
                );
            }
        }
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Notes which calls it is going to hold, to tell of them if none comes.
    pub(super) fn waits_for(&self, calls: String) {
        lock(&self.holds).push(calls);
    }

    /// Notes that the rule has let a call through.
    pub(super) fn let_by(&self) {
        self.arrivals.send_modify(|arrivals| arrivals.let_by += 1);
    }

    pub(super) async fn pass(&self) {
        self.arrivals.send_modify(|arrivals| arrivals.held += 1);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
