//! Reset tokens: what a mail carries so that the owner of an account can set a new password.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Invalid, Session, Timestamp, bounded};

/// The lifetime of a reset token.
const LIFETIME: Duration = Duration::from_mins(30);

/// A reset token: 256 random bits. The type has no `Debug`, `Display` or `Serialize`.
pub struct ResetToken(SecretBox<[u8; 32]>);

impl ResetToken {
    /// Creates a token from random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(random)))
    }

    /// Returns the text for the mail: 43 characters of base64url.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose_secret())
    }

    /// Returns the hash, which is all that the table stores.
    #[must_use]
    pub fn hash(&self) -> ResetTokenHash {
        ResetTokenHash(URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose_secret())))
    }

    /// Reads a text that [`expose`](Self::expose) returned; `None` for any other text, so that each token has one spelling.
    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self::new)
    }
}

/// A text that a client submits as a reset token. The type has no `Debug`, `Display` or `Serialize`.
pub struct SubmittedResetToken(Option<ResetToken>);

impl SubmittedResetToken {
    /// Returns the hash of the token; `None` for a text that is no token, and that was therefore never issued.
    #[must_use]
    pub fn hash(&self) -> Option<ResetTokenHash> {
        self.0.as_ref().map(ResetToken::hash)
    }
}

impl TryFrom<String> for SubmittedResetToken {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        bounded(text).map(|text| Self(ResetToken::parse(&text)))
    }
}

/// The SHA-256 of a reset token, in base64url. Unlike a password, a token has too many bits to be guessed from its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetTokenHash(String);

impl ResetTokenHash {
    /// Returns the hash as the table stores it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a reset token permits: setting a new password in place of one session epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuedReset {
    /// The user's id.
    pub user_id: Uuid,
    /// The user's session epoch when the token was issued. Every change that ends the user's sessions increments the epoch
    /// and thereby ends the token, too.
    pub session_epoch: u64,
    /// The time from which the token is not valid.
    pub expires_at: Timestamp,
}

impl IssuedReset {
    /// Returns the session in whose place the new password is set.
    #[must_use]
    pub fn session(&self) -> Session {
        let issued_at = self.expires_at.unix_seconds() - LIFETIME.as_secs().cast_signed();
        Session { user_id: self.user_id, epoch: self.session_epoch, token_issued_at: issued_at }
    }

    /// Returns what a token permits that is issued now to a user with this session epoch.
    #[must_use]
    pub fn new(user_id: Uuid, session_epoch: u64, now: Timestamp) -> Self {
        Self { user_id, session_epoch, expires_at: now + LIFETIME }
    }
}

#[cfg(test)]
mod tests {
    use super::{ResetToken, SubmittedResetToken};

    fn submitted(text: &str) -> Option<String> {
        let Ok(token) = SubmittedResetToken::try_from(text.to_owned()) else { panic!("a short text") };
        token.hash().map(|hash| hash.as_str().to_owned())
    }

    #[test]
    fn only_the_exact_text_of_a_token_has_its_hash() {
        let token = ResetToken::new([0xa7; 32]);
        let (text, hash) = (token.expose(), token.hash().as_str().to_owned());
        assert_eq!(text, "p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6c");
        assert_eq!(submitted(&text), Some(hash.clone()));
        assert!(!hash.contains(&text));
        for other in [
            // The last character has two bits that encode nothing. They must be 0.
            "p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6d",
            "p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6c=",
            " p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6c",
            "p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6",
            "p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6enpw",
            "++++p6enp6enp6enp6enp6enp6enp6enp6enp6enp6c",
            "",
        ] {
            assert_eq!(submitted(other), None, "{other}");
        }
        assert!(SubmittedResetToken::try_from("x".repeat(1_025)).is_err());
    }
}
