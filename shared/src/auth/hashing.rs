//! Password hashing with bcrypt.

use std::ops::Range;

use bcrypt::HashParts;

use crate::model::{NewPassword, PasswordHash, SubmittedPassword};

/// Hashes passwords at one cost. Every refusal takes as long as one hash at the ceiling.
#[derive(Debug, Clone, Copy)]
pub struct Hasher {
    cost: u32,
    ceiling: u32,
}

/// An error of bcrypt: the stored text is not a hash, or the system provided no random salt.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed")]
pub struct HashingFailed(#[from] bcrypt::BcryptError);

impl Hasher {
    /// Creates a hasher with bcrypt's cost: the base-2 logarithm of the number of rounds, 4 to 31. `ceiling` is the highest
    /// cost of any stored hash, and at least `cost`: every refusal takes its rounds.
    #[must_use]
    pub const fn new(cost: u32, ceiling: u32) -> Self {
        Self { cost, ceiling }
    }

    /// Hashes a password that is to be set, with a new random salt.
    pub fn hash(self, password: &NewPassword) -> Result<PasswordHash, HashingFailed> {
        // `NewPassword` bounds the length, so `hash` truncates nothing. The crate's `non_truncating_hash` refuses a
        // password of exactly 72 bytes.
        Ok(PasswordHash::from_stored(bcrypt::hash(password.expose(), self.cost)?))
    }

    /// Returns whether the submitted password is the one that was hashed.
    ///
    /// A refusal always costs one hash at the ceiling: without a hash, as for an unknown user, and with a hash of a lower
    /// cost. The response time therefore reveals nothing, whether the configured cost was raised or lowered.
    pub(super) fn verify(
        self,
        submitted: &SubmittedPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HashingFailed> {
        let Some(hash) = hash else {
            dummy_verify(submitted, self.ceiling)?;
            return Ok(false);
        };
        let cost = cost_of(hash)?;
        tracing::debug!(rounds = rounds(cost), "bcrypt");
        if bcrypt::verify(submitted.expose(), hash.as_stored())? && submitted.can_match() {
            return Ok(true);
        }
        for cost in self.top_up(cost) {
            dummy_verify(submitted, cost)?;
        }
        Ok(false)
    }

    /// Returns the costs of the hashes that, together with one hash at `cost`, take the rounds of one hash at the
    /// ceiling. Each step of the cost doubles the rounds, so one hash at each cost in between adds up to the difference.
    fn top_up(self, cost: u32) -> Range<u32> {
        cost..self.ceiling
    }

    /// Returns a new hash of a password that matched `hash`, or `None` if `hash` has the configured cost.
    pub fn rehash(
        self,
        verified: &SubmittedPassword,
        hash: &PasswordHash,
    ) -> Result<Option<PasswordHash>, HashingFailed> {
        if cost_of(hash)? == self.cost {
            return Ok(None);
        }
        Ok(Some(PasswordHash::from_stored(bcrypt::hash(verified.expose(), self.cost)?)))
    }
}

/// Hashes a password at a cost and ignores the result.
fn dummy_verify(submitted: &SubmittedPassword, cost: u32) -> Result<(), HashingFailed> {
    tracing::debug!(rounds = rounds(cost), "bcrypt");
    bcrypt::verify(submitted.expose(), &dummy_hash(cost))?;
    Ok(())
}

/// Returns a well-formed hash of this cost that no user has.
fn dummy_hash(cost: u32) -> String {
    format!("$2b${cost:02}${:.<22}{:.<31}", "", "")
}

fn cost_of(hash: &PasswordHash) -> Result<u32, HashingFailed> {
    Ok(hash.as_stored().parse::<HashParts>()?.get_cost())
}

/// Returns how many times bcrypt repeats its key schedule at a cost; the largest number for a cost that is not valid.
fn rounds(cost: u32) -> u64 {
    1_u64.checked_shl(cost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
