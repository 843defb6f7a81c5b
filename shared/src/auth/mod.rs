//! Authentication: password hashing and checks, tokens, and sessions.

pub mod hashing;
pub mod password_check;
pub mod session;
pub mod throttle;
pub mod token;

pub use hashing::{Hasher, HashingFailed};
pub use password_check::{PasswordCheck, PasswordCheckError};
pub use session::{AuthenticatedUser, AuthenticationError, IssuedToken, Sessions};
pub use throttle::{PasswordEndpoint, Throttle};
pub use token::TokenFault;
