//! A gate that holds calls until a test lets them go, which makes a race deterministic.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::lock;

/// A gate at which no call arrives for so long is never reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    arrived: Arc<watch::Sender<usize>>,
    open: Arc<watch::Sender<bool>>,
    /// The calls that it holds, in words.
    holds: Arc<Mutex<Vec<String>>>,
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
            arrived: Arc::new(watch::channel(0).0),
            open: Arc::new(watch::channel(false).0),
            holds: Arc::default(),
        }
    }

    /// Waits until a call stands at the gate, or has passed it.
    ///
    /// # Panics
    ///
    /// If no call arrives within ten seconds.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until so many calls have come to the gate.
    ///
    /// # Panics
    ///
    /// If no further call arrives for ten seconds.
    pub async fn reached_by(&self, calls: usize) {
        let mut arrived = self.arrived.subscribe();
        loop {
            let so_far = *arrived.borrow_and_update();
            if so_far >= calls {
                return;
            }
            // The sender lives as long as this gate, so there is always a next change.
            if timeout(PATIENCE, arrived.changed()).await.is_err() {
                let holds = lock(&self.holds).join("; ");
                panic!(
                    "{so_far} of {calls} calls came to the gate, and no other for {} s. It holds: {holds}",
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

    pub(super) async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
