//! DynamoDB: the only place that makes requests of it.
//!
//! One function per access pattern, one request per step. Uniqueness, ownership and "the user is still here" are
//! conditions of the write itself, so they hold whatever else happens at the same time. Each function names its
//! operation, its condition and the IAM actions it needs; `template.yaml` grants exactly those.

mod cursor;
mod failure;
mod item;
mod keys;
mod movies;
mod retry;
mod users;

pub use cursor::Cursor;
pub use failure::StoreError;
pub use movies::{Change, Deletion, Insertion, Movies, Page};
pub use retry::TransactionConflicts;
pub use users::{Login, Signup, Users};
