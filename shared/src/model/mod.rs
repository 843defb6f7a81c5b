//! The values of the domain, and the sources of time and ids. A type validates the text of a client when it is made;
//! `from_stored` trusts the table.

use std::borrow::Cow;

mod clock;
mod email;
mod mail;
mod movie;
mod password;
mod reset_token;
mod session;
mod timestamp;
mod user;

pub use clock::{Clock, IdSource};
pub use email::{CanonicalEmail, Email, SubmittedEmail};
pub use mail::{Mail, MailKind};
pub use movie::{
    Casts, Genres, Movie, MovieChanges, MovieFilter, MovieName, NamePrefix, TextList, VersionSet,
};
pub use password::{NewPassword, PasswordHash, SubmittedPassword};
pub use reset_token::{IssuedReset, ResetToken, ResetTokenHash, SubmittedResetToken};
pub use session::Session;
pub use timestamp::Timestamp;
pub use user::NewUser;

/// The most bytes of an email or a password that is checked rather than set. It bounds the work of a check.
const MAX_SUBMITTED_BYTES: usize = 1024;

/// The reason why a value is invalid, worded for the client that sent it. It never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// Creates a reason that completes the sentence "this field …".
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// Creates a reason as [`new`](Self::new) does, in a constant.
    #[must_use]
    pub const fn fixed(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// Returns the reason as text.
    #[must_use]
    pub fn into_reason(self) -> Cow<'static, str> {
        self.0
    }
}

/// Returns a submitted text unless it is too long to be checked.
fn bounded(text: String) -> Result<String, Invalid> {
    if text.len() > MAX_SUBMITTED_BYTES {
        Err(Invalid::new("must have at most 1024 bytes"))
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Debug, marker::PhantomData};

    use super::{
        Email, NewPassword, NewUser, PasswordHash, ResetToken, SubmittedPassword, SubmittedResetToken,
    };

    /// Tells whether a type has `Debug`: the constant of the type itself, if there is one, hides the trait's.
    struct Probe<T>(PhantomData<T>);

    trait WithoutDebug {
        const HAS_DEBUG: bool = false;
    }

    impl<T> WithoutDebug for Probe<T> {}

    impl<T: Debug> Probe<T> {
        const HAS_DEBUG: bool = true;
    }

    #[test]
    fn types_that_hold_secrets_have_no_debug() {
        // The probe works.
        const { assert!(Probe::<PasswordHash>::HAS_DEBUG) };
        const { assert!(!Probe::<NewPassword>::HAS_DEBUG) };
        const { assert!(!Probe::<SubmittedPassword>::HAS_DEBUG) };
        const { assert!(!Probe::<ResetToken>::HAS_DEBUG) };
        const { assert!(!Probe::<SubmittedResetToken>::HAS_DEBUG) };
        const { assert!(!Probe::<NewUser>::HAS_DEBUG) };
        const { assert!(!Probe::<Email>::HAS_DEBUG) };
    }
}
