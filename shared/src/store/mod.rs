//! DynamoDB. No other module reads or writes its tables.
//!
//! There is one function per access pattern. Uniqueness and ownership are conditions of the write itself, and so is the
//! user's status if a write changes the user or `movie_count`. They therefore hold under concurrency. Each function
//! documents its DynamoDB operations, their conditions and the IAM actions that it needs; `template.yaml` grants exactly
//! those.

mod account_deletions;
mod batch;
mod capacity;
mod cursor;
mod failure;
mod item;
mod keys;
mod movies;
mod outbox;
mod password_attempts;
mod password_resets;
mod request_token;
mod retry;
mod users;

pub use account_deletions::{AccountDeletion, AccountDeletions};
pub use capacity::CapacityMeter;
pub use cursor::Cursor;
pub use failure::StoreError;
pub use movies::{
    Candidates, CreateOutcome, DeleteOutcome, MovieUpdate, Movies, OwnedMovie, Page, UpdateOutcome,
};
pub use outbox::{CountOutcome, Notice, Outbox};
pub use password_attempts::{
    Consistency, CounterNames, Counters, LimitedWindow, PasswordAttempts, StrictCounter,
};
pub use password_resets::PasswordResets;
pub use request_token::RequestTokens;
pub use retry::TransactionConflicts;
pub use users::{
    Account, ActiveUser, EmailAndHash, EmailOfUser, FinishDeletionOutcome, LogoutOutcome,
    PasswordChangeOutcome, PasswordResetOutcome, PasswordResetWrite, RequestDeletionOutcome, SessionFault,
    SignupOutcome, StoredCredentials, UserProjection, Users,
};
