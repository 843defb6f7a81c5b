//! The words of the movie bag. Each type validates when it is made, so that a value that exists is a valid one.

use std::borrow::Cow;

pub mod email;
pub mod movie;
pub mod timestamp;
pub mod user;

pub use email::Email;
pub use movie::{Casts, Genres, Movie, MovieChanges, MovieName};
pub use timestamp::Timestamp;
pub use user::User;

/// Why a value was refused, worded for the person who sent it. It never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// A reason that completes the sentence "this field …".
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// As [`new`](Self::new), for a constant.
    #[must_use]
    pub const fn fixed(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// The reason as text.
    #[must_use]
    pub fn into_reason(self) -> Cow<'static, str> {
        self.0
    }
}
