//! A value that several tasks change and wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value behind a lock, with the tasks that wait for it to change.
#[derive(Debug, Default)]
pub struct Observed<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Observed<T> {
    /// Returns an observed value that begins as `value`.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// Locks the value. A change through the guard notifies no task: see [`change`](Self::change).
    pub fn lock(&self) -> MutexGuard<'_, T> {
        lock(&self.value)
    }

    /// Changes the value, and has every waiting task look at it again.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits until `ready` returns something. It is called with the value now and after each change.
    pub async fn when<R>(&self, mut ready: impl FnMut(&mut T) -> Option<R>) -> R {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listening before looking: a change in between is not missed.
            changed.as_mut().enable();
            if let Some(result) = ready(&mut self.lock()) {
                return result;
            }
            changed.await;
        }
    }
}

/// Locks a mutex, even if a task has panicked while it held the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
