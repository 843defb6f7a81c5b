//! The sources of time and of ids, handed in as values.

use std::fmt;

use uuid::Uuid;

use super::Timestamp;

/// A source of the current time.
///
/// Code below `runtime` that depends on time takes a clock and cannot read the system's. Its signature shows the
/// dependency, and a test passes a clock that stands still.
#[derive(Clone, Copy)]
pub struct Clock(fn() -> Timestamp);

impl Clock {
    /// Creates a clock from a function that returns the current time.
    #[must_use]
    pub const fn new(now: fn() -> Timestamp) -> Self {
        Self(now)
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// A source of unique ids.
#[derive(Clone, Copy)]
pub struct IdSource(fn() -> Uuid);

impl IdSource {
    /// Creates a source from a function that returns a different id each time.
    #[must_use]
    pub const fn new(next: fn() -> Uuid) -> Self {
        Self(next)
    }

    /// Returns an id that no other call returns.
    #[must_use]
    pub fn next_id(self) -> Uuid {
        (self.0)()
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdSource")
    }
}
