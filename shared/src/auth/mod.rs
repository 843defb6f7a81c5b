//! Authentication: password hashing and checks, tokens, sessions, and password resets.

mod counters;
mod hashing;
mod notices;
mod password_check;
mod password_reset;
mod reset_limits;
mod session;
mod throttle;
mod token;

pub use counters::CounterKey;
pub use hashing::{Hasher, HashingFailed};
pub use notices::Notices;
pub use password_check::{PasswordCheck, PasswordCheckError};
pub use password_reset::{AdmittedReset, PasswordReset, PasswordResetError, ResetTokenFault};
pub use reset_limits::{ResetRequestError, ResetRequestLimit, reset_mail_window};
pub use session::{AuthenticationError, IssuedToken, Sessions};
pub use throttle::{Attempt, PasswordEndpoint, Throttle};
pub use token::{SigningFailed, TokenFault, TokenKey, TokenKeys, WeakKey};
