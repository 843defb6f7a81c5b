//! People who signed up.

use uuid::Uuid;

use super::{Email, Timestamp};
use crate::auth::password::PasswordHash;

/// A user as signing up makes one.
#[derive(Clone)]
pub struct User {
    /// `UUIDv7`, made by the server; the only thing others ever see of a user.
    pub id: Uuid,
    /// The address as its owner wrote it.
    pub email: Email,
    /// What is kept of the password.
    pub password_hash: PasswordHash,
    /// When they signed up.
    pub created_at: Timestamp,
}
