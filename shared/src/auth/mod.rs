//! Authentication: password hashing and checks, tokens, and sessions.

mod hashing;
mod password_check;
mod session;
mod throttle;
mod token;

pub use hashing::{Hasher, HashingFailed};
pub use password_check::{PasswordCheck, PasswordCheckError};
pub use session::{AuthenticationError, IssuedToken, Sessions};
pub use throttle::{Attempt, PasswordEndpoint, Throttle};
pub use token::{SigningFailed, TokenFault, TokenKey, TokenKeys, WeakKey};
