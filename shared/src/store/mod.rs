//! DynamoDB: the only place that makes requests of it.
//!
//! One function per access pattern, one request per step. Uniqueness, ownership and "the user is still here" are
//! conditions of the write itself, so they hold whatever else happens at the same time. Each function names its
//! operation, its condition and the IAM actions it needs; `template.yaml` grants exactly those.

mod account_deletions;
mod capacity;
mod cursor;
mod failure;
mod item;
mod keys;
mod movies;
mod password_attempts;
mod retry;
mod users;

pub use account_deletions::{AccountDeletion, AccountDeletions};
pub use capacity::CapacityMeter;
pub use cursor::Cursor;
pub use failure::StoreError;
pub use movies::{Candidates, CreateOutcome, DeleteOutcome, Movies, OwnedMovie, Page, UpdateOutcome};
pub use password_attempts::{Backoff, PasswordAttempts};
pub use retry::TransactionConflicts;
pub use users::{
    Account, Credentials, DeletionRequest, DeletionStep, LogoutOutcome, PartOfUser, PasswordChangeOutcome,
    SignupOutcome, StoredCredentials, Users,
};
