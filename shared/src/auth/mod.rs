//! Who is asking: passwords, tokens, and the user behind a token.

pub mod password;
pub mod session;
pub mod throttle;
pub mod token;

/// What it takes to check a password that somebody says is theirs.
#[derive(Debug)]
pub struct PasswordCheck {
    /// Lets a try begin, or makes it wait.
    pub throttle: throttle::Throttle,
    /// Compares, and makes the hash of a new password.
    pub hasher: password::Hasher,
}
