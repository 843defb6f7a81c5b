//! A value that several tasks change, and that others wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, futures::Notified};

/// A value behind a lock, with everything that waits for it to change.
#[derive(Default)]
pub struct Observed<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Observed<T> {
    /// Begins with this value.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// The value, locked. A change that is made through it wakes no task: see [`change`](Self::change).
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value, and has every task that waits look at it again.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits for the next change.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until `ready` returns something. It sees the value now and after each change.
    pub async fn when<R>(&self, mut ready: impl FnMut(&mut T) -> Option<R>) -> R {
        loop {
            let mut changed = std::pin::pin!(self.changed());
            // Listening before looking: a change in between is not missed.
            changed.as_mut().enable();
            if let Some(result) = ready(&mut self.lock()) {
                return result;
            }
            changed.await;
        }
    }
}
