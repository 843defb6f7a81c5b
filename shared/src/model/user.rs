//! Users.

use uuid::Uuid;

use super::{Email, PasswordHash, Timestamp};

/// A user who has just signed up.
#[derive(Clone)]
pub struct NewUser {
    /// `UUIDv7`, made by the server. It is the only attribute of a user that other users see.
    pub id: Uuid,
    /// The address as its owner wrote it.
    pub email: Email,
    /// The bcrypt hash of the password.
    pub password_hash: PasswordHash,
    /// The time of the signup.
    pub created_at: Timestamp,
}
