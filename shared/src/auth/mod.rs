//! Who is asking: passwords, tokens, and the user behind a token.

pub mod password;
pub mod session;
pub mod throttle;
pub mod token;
