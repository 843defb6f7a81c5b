//! Passwords and their hashes.

mod common;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::{CanonicalEmail, Invalid, bounded};

/// The fewest characters of a password (OWASP ASVS 5.0, 6.2.1).
const MIN_CHARACTERS: usize = 8;
/// The most bytes of a password: bcrypt reads no more. A longer password is refused, never truncated.
const MAX_BYTES: usize = 72;
/// The words of this service, which anyone would try first (OWASP ASVS 5.0, 6.1.2). A word that contains another one
/// precedes it.
const CONTEXT_WORDS: [&str; 4] = ["movies", "movie", "bag", "api"];

/// A password that may be set.
///
/// There are no composition rules (OWASP ASVS 5.0, 6.2.5), and the text is neither trimmed nor normalized. The type has
/// no `Debug`, `Display` or `Serialize`.
pub struct NewPassword(SecretString);

impl NewPassword {
    /// Refuses a password that equals the local part of its owner's address, in any case.
    pub fn check_against(&self, email: &CanonicalEmail) -> Result<(), Invalid> {
        if self.expose().eq_ignore_ascii_case(email.local_part()) {
            return Err(Invalid::new("must not be the name part of the email"));
        }
        Ok(())
    }

    /// Returns the text, to be hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TryFrom<String> for NewPassword {
    type Error = Invalid;

    /// Checks everything that does not depend on the owner of the password.
    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.chars().count() < MIN_CHARACTERS {
            return Err(Invalid::new("must have at least 8 characters"));
        }
        if text.len() > MAX_BYTES {
            return Err(Invalid::new("must have at most 72 bytes"));
        }
        if text.contains('\0') {
            // Bcrypt repeats the password up to its NUL, so `ab` and `ab\0ab` would have the same hash.
            return Err(Invalid::new("must not contain a NUL character"));
        }
        if common::contains(&text) {
            return Err(Invalid::new("is one of the most common passwords"));
        }
        if has_only_context_words(&text) {
            return Err(Invalid::new("must not be a variation of the name of this service"));
        }
        Ok(Self(text.into()))
    }
}

/// Returns whether the letters of a password, in any case, spell context words and nothing else.
fn has_only_context_words(text: &str) -> bool {
    let letters: String =
        common::without_case(text).chars().filter(|character| character.is_alphabetic()).collect();
    let rest = CONTEXT_WORDS.iter().fold(letters.clone(), |rest, word| rest.replace(word, ""));
    !letters.is_empty() && rest.is_empty()
}

/// A password that a client claims to be right: any text that is short enough to be checked. The type has no `Debug`,
/// `Display` or `Serialize`.
pub struct SubmittedPassword(SecretString);

impl SubmittedPassword {
    /// Returns whether any user can have this password. One that cannot be set must never match, although bcrypt would
    /// truncate it or read it only up to its NUL.
    #[must_use]
    pub fn can_match(&self) -> bool {
        self.expose().len() <= MAX_BYTES && !self.expose().contains('\0')
    }

    /// Returns the text, to be compared with a hash.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TryFrom<String> for SubmittedPassword {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        bounded(text).map(|text| Self(text.into()))
    }
}

/// A bcrypt hash in its text form, `$2b$12$…`. It has no `Display` or `Serialize`, and its `Debug` hides it.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Takes a hash that was computed or read from a table.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    /// Returns the hash as the table stores it.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::{NewPassword, PasswordHash};
    use crate::model::{Email, Invalid};

    fn password(text: &str) -> Result<NewPassword, Invalid> {
        NewPassword::try_from(text.to_owned())
    }

    #[test]
    fn passwords_of_8_characters_to_72_bytes_can_be_set() {
        for (text, good) in [
            ("a2345f7".to_owned(), false),
            ("a2345f78".to_owned(), true),
            ("x".repeat(72), true),
            ("x".repeat(73), false),
            ("éééé".to_owned(), false),
            ("é2345f7".to_owned(), false),
            ("éééééééé".to_owned(), true),
            ("é".repeat(36), true),
            ("é".repeat(37), false),
        ] {
            assert_eq!(password(&text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_passphrase_is_accepted_and_a_common_password_is_not() {
        assert!(password("correct horse battery staple").is_ok());
        for text in [
            "password1",
            "PassWord1",
            "pa\u{17f}\u{17f}word1",
            "12345678",
            "QWERTYUIOP",
            "iloveyou1",
            "13marino",
            "13MARINO",
        ] {
            assert!(password(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_of_only_context_words_is_refused() {
        for text in ["moviebag", "Movie-Bag-2026!", "MOVIES.movies", "movie bag api", "1movies1"] {
            assert!(password(text).is_err(), "{text}");
        }
        for text in ["8472-6194-5051", "m0vie bag", "movie baggage", "a bag full of movies"] {
            assert!(password(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_password_with_nul_is_refused() {
        assert!(password("abcdefg\0abcdefg").is_err());
    }

    #[test]
    fn the_local_part_of_the_owners_address_is_refused() {
        let email: Email = "Ann.Smith@example.com".parse().expect("an address");
        let check = |text| password(text).expect("a password").check_against(&email.canonical());
        assert!(check("ann.SMITH").is_err());
        assert!(check("ann.smith.too").is_ok());
    }

    #[test]
    fn a_hash_is_hidden_in_debug_output() {
        let hash = PasswordHash::from_stored("$2b$04$secret".to_owned());
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }
}
