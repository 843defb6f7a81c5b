//! DynamoDB. No other module sends requests to it.
//!
//! There is one function per access pattern. Uniqueness, ownership and "the user still exists" are conditions of the
//! write itself, so they hold under concurrency. Each function documents its DynamoDB operations, their conditions and
//! the IAM actions that it needs; `template.yaml` grants exactly those.

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
    Account, DeletionRequest, DeletionStep, EmailAndHash, LogoutOutcome, PasswordChangeOutcome,
    SignupOutcome, StoredCredentials, UserProjection, Users,
};
