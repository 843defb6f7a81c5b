//! Passwords: what may be set, and hashing with bcrypt.

mod common;

use std::{fmt, ops::Range};

use bcrypt::HashParts;
use lambda_http::tracing;

use crate::model::{Invalid, email::CanonicalEmail};

/// The fewest bytes a password may have (OWASP ASVS 5.0, 6.2.1).
const MINIMUM_BYTES: usize = 8;
/// The most bytes a password may have: bcrypt reads no more, and a longer one is refused, never cut.
const MAXIMUM_BYTES: usize = 72;

/// A password that may be set. It can be hashed, and that is all: it has no `Debug`, `Display` or `Serialize`.
pub struct Password(String);

impl Password {
    /// Checks a password against everything but its owner's address.
    ///
    /// There are no composition rules (OWASP ASVS 5.0, 6.2.5), and nothing is trimmed or normalised.
    pub fn new(text: String) -> Result<Self, Invalid> {
        if text.len() < MINIMUM_BYTES {
            return Err(Invalid::new("must have at least 8 bytes"));
        }
        if text.len() > MAXIMUM_BYTES {
            return Err(Invalid::new("must have at most 72 bytes"));
        }
        if text.contains('\0') {
            // Bcrypt reads the password again and again up to its NUL, so `ab` and `ab\0ab` would be the same.
            return Err(Invalid::new("must not contain a NUL character"));
        }
        if common::contains(&text) {
            return Err(Invalid::new("is one of the most common passwords"));
        }
        Ok(Self(text))
    }

    /// Refuses a password that is no more than the name part of its owner's address, in any case.
    pub fn check_against(&self, email: &CanonicalEmail) -> Result<(), Invalid> {
        if self.0.eq_ignore_ascii_case(email.local_part()) {
            return Err(Invalid::new("must not be the name part of the email"));
        }
        Ok(())
    }
}

/// A password that somebody claims is right. Any text may be tried.
pub struct SubmittedPassword(String);

impl SubmittedPassword {
    /// Takes a text as it came.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether this text can be anybody's password. One that cannot must never match, although bcrypt would cut it
    /// or read it up to its NUL.
    fn is_possible(&self) -> bool {
        self.0.len() <= MAXIMUM_BYTES && !self.0.contains('\0')
    }
}

/// A bcrypt hash in the usual text form, `$2b$12$…`. It has no `Display` or `Serialize`, and its `Debug` hides it.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a hash as a table holds it.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The hash as a table holds it.
    #[must_use]
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// The cost it was made at.
    fn cost(&self) -> Result<u32, HashingFailed> {
        Ok(self.0.parse::<HashParts>()?.get_cost())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

/// Hashes passwords at one cost, and refuses them at the price of another.
#[derive(Debug, Clone, Copy)]
pub struct Hasher {
    cost: u32,
    ceiling: u32,
}

/// Hashing did not work: the stored hash is not one, or the system gave no random salt.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed")]
pub struct HashingFailed(#[from] bcrypt::BcryptError);

impl Hasher {
    /// Returns a hasher with bcrypt's cost: the base-2 logarithm of its rounds, 4 to 31. `ceiling` is the highest cost
    /// that any stored hash may have, and never less than `cost`: every refusal takes its rounds.
    #[must_use]
    pub const fn new(cost: u32, ceiling: u32) -> Self {
        Self { cost, ceiling }
    }

    /// Hashes a password that is to be set, with a new random salt.
    pub fn hash(self, password: &Password) -> Result<PasswordHash, HashingFailed> {
        // The length was checked when the password was made, so `hash` has nothing to cut; the crate's
        // `non_truncating_hash` would refuse one of exactly 72 bytes.
        Ok(PasswordHash(bcrypt::hash(&password.0, self.cost)?))
    }

    /// Returns whether the attempt is the password that was hashed. Whatever there is to compare with, a refusal has
    /// the price of one hash at the ceiling: without a hash, as for an unknown user, and with one that was made at a
    /// lower cost. So the time tells nothing, whichever way the configured cost has moved.
    pub fn verify(
        self,
        attempt: &SubmittedPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HashingFailed> {
        let Some(hash) = hash else {
            dummy_verify(attempt, self.ceiling)?;
            return Ok(false);
        };
        let cost = hash.cost()?;
        tracing::debug!(rounds = rounds(cost), "bcrypt");
        if bcrypt::verify(&attempt.0, &hash.0)? && attempt.is_possible() {
            return Ok(true);
        }
        for cost in self.top_up(cost) {
            dummy_verify(attempt, cost)?;
        }
        Ok(false)
    }

    /// Returns the costs of the hashes that have, together with one at `cost`, the rounds of one at the ceiling. Rounds
    /// double with each step, so one at each cost in between makes up the rest.
    fn top_up(self, cost: u32) -> Range<u32> {
        cost..self.ceiling
    }

    /// Makes a new hash of a password that proved right, if the one it was compared with was made at another cost.
    pub fn renew(
        self,
        proven: &SubmittedPassword,
        hash: &PasswordHash,
    ) -> Result<Option<PasswordHash>, HashingFailed> {
        if hash.cost()? == self.cost {
            return Ok(None);
        }
        Ok(Some(PasswordHash(bcrypt::hash(&proven.0, self.cost)?)))
    }
}

/// Hashes an attempt at a cost for nothing.
fn dummy_verify(attempt: &SubmittedPassword, cost: u32) -> Result<(), HashingFailed> {
    tracing::debug!(rounds = rounds(cost), "bcrypt");
    bcrypt::verify(&attempt.0, &dummy_hash(cost))?;
    Ok(())
}

/// Returns a well-formed hash of this cost that belongs to nobody.
fn dummy_hash(cost: u32) -> String {
    format!("$2b${cost:02}${:.<22}{:.<31}", "", "")
}

/// How often bcrypt repeats its key schedule. A stored hash may claim a cost that no number of rounds has.
fn rounds(cost: u32) -> u64 {
    1_u64.checked_shl(cost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
