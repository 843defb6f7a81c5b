//! DynamoDB: the only place that makes requests of it.
//!
//! One function per access pattern, one request per step. Uniqueness, ownership and "the user is still here" are
//! conditions of the write itself, so they hold whatever else happens at the same time. Each function names its
//! operation, its condition and the IAM actions it needs; `template.yaml` grants exactly those.

mod attempts;
mod capacity;
mod cursor;
mod departures;
mod failure;
mod item;
mod keys;
mod movies;
mod retry;
mod users;

pub use attempts::{Attempts, Backoff};
pub use capacity::CapacityMeter;
pub use cursor::Cursor;
pub use departures::{Departure, Departures};
pub use failure::StoreError;
pub use movies::{Candidates, Change, Deletion, Insertion, Movies, OwnedMovie, Page};
pub use retry::TransactionConflicts;
pub use users::{
    Account, Credentials, Farewell, Leaving, Login, PartOfUser, PasswordChange, SignOut, Signup, Users,
};
