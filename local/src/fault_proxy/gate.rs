//! A gate that holds calls until a test lets them go, which makes a race deterministic.

use std::sync::Arc;

use tokio::sync::watch;

/// Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    arrived: Arc<watch::Sender<usize>>,
    open: Arc<watch::Sender<bool>>,
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
        Self { arrived: Arc::new(watch::channel(0).0), open: Arc::new(watch::channel(false).0) }
    }

    /// Waits until a call stands at the gate, or has passed it.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until so many calls have come to the gate.
    pub async fn reached_by(&self, calls: usize) {
        // The sender lives as long as this gate, so waiting cannot fail.
        let _ = self.arrived.subscribe().wait_for(|arrived| *arrived >= calls).await;
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
