//! Passwords: what may be set, and hashing with bcrypt.

use std::fmt;

use passwords::analyzer::is_common_password;

use crate::model::{Email, Invalid};

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
        if is_common_password(&text) || is_common_password(text.to_lowercase()) {
            return Err(Invalid::new("is one of the most common passwords"));
        }
        Ok(Self(text))
    }

    /// Whether the password is no more than the name part of `email`, in any case.
    #[must_use]
    pub fn repeats(&self, email: &Email) -> bool {
        self.0.eq_ignore_ascii_case(email.local_part())
    }
}

/// A password that somebody claims is right. Any text may be tried.
pub struct PasswordAttempt(String);

impl PasswordAttempt {
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
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

/// Hashes passwords at one cost.
#[derive(Debug, Clone, Copy)]
pub struct Hasher {
    cost: u32,
}

/// Hashing did not work: the stored hash is not one, or the system gave no random salt.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed")]
pub struct HashingFailed(#[from] bcrypt::BcryptError);

impl Hasher {
    /// A hasher with bcrypt's cost: the base-2 logarithm of its rounds, 4 to 31.
    #[must_use]
    pub const fn new(cost: u32) -> Self {
        Self { cost }
    }

    /// Hashes a password that is to be set, with a new random salt.
    pub fn hash(self, password: &Password) -> Result<PasswordHash, HashingFailed> {
        // The length was checked when the password was made, so `hash` has nothing to cut; the crate's
        // `non_truncating_hash` would refuse one of exactly 72 bytes.
        Ok(PasswordHash(bcrypt::hash(&password.0, self.cost)?))
    }

    /// Whether the attempt is the password that was hashed. Without a hash, as for an unknown user, the answer is no
    /// at the price of the same hashing, so that the time tells nothing.
    pub fn verify(
        self,
        attempt: &PasswordAttempt,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HashingFailed> {
        let Some(hash) = hash else {
            bcrypt::verify(&attempt.0, &self.hash_of_nobody())?;
            return Ok(false);
        };
        let matches = bcrypt::verify(&attempt.0, &hash.0)?;
        Ok(matches && attempt.is_possible())
    }

    /// A well-formed hash of this cost that belongs to nobody.
    fn hash_of_nobody(self) -> String {
        format!("$2b${:02}${:.<22}{:.<31}", self.cost, "", "")
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Debug, marker::PhantomData};

    use bcrypt::HashParts;

    use super::{Hasher, Password, PasswordAttempt, PasswordHash};
    use crate::model::User;

    const QUICK: Hasher = Hasher::new(4);

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
            .map_err(|invalid| format!("{text:?}: {invalid:?}"))
            .expect("a password")
    }

    fn matches(attempt: &str, hash: &PasswordHash) -> bool {
        QUICK.verify(&PasswordAttempt::new(attempt.to_owned()), Some(hash)).expect("a hash")
    }

    #[test]
    fn passwords_of_8_to_72_bytes_can_be_set() {
        for (text, good) in [
            ("a2345f7".to_owned(), false),
            ("a2345f78".to_owned(), true),
            ("x".repeat(72), true),
            ("x".repeat(73), false),
            ("éééé".to_owned(), true),
            ("é".repeat(36), true),
            ("é".repeat(37), false),
        ] {
            assert_eq!(Password::new(text.clone()).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_lower_case_passphrase_is_good_and_a_well_known_password_is_not() {
        password("correct horse battery staple");
        for text in ["password1", "PassWord1", "12345678", "QWERTYUIOP", "iloveyou1"] {
            assert!(Password::new(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_with_nul_is_refused() {
        assert!(Password::new("abcdefg\0abcdefg".to_owned()).is_err());
    }

    #[test]
    fn the_name_part_of_an_address_is_recognised() {
        let email = "Ann.Smith@example.com".parse().expect("an address");
        assert!(password("ann.SMITH").repeats(&email));
        assert!(!password("ann.smith.too").repeats(&email));
    }

    #[test]
    fn published_hashes_verify() {
        // From the test vectors of Openwall's crypt_blowfish, which defines the `2b` form.
        for (text, hash) in [
            ("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            ("U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
            ("", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
        ] {
            let hash = PasswordHash::from_stored(hash.to_owned());
            assert!(matches(text, &hash), "{text}");
            assert!(!matches("U*V", &hash));
        }
    }

    #[test]
    fn what_could_never_be_set_never_matches() {
        let long = "x".repeat(72);
        let hash = QUICK.hash(&password(&long)).expect("a hash");
        assert!(matches(&long, &hash));
        assert!(!matches(&"x".repeat(73), &hash));
        let hash = QUICK.hash(&password("movie-bag!")).expect("a hash");
        assert!(!matches("movie-bag!\0movie-bag!", &hash));
    }

    #[test]
    fn nobody_has_a_password() {
        let attempt = PasswordAttempt::new("anything at all".to_owned());
        assert!(!Hasher::new(4).verify(&attempt, None).expect("a well-formed hash"));
        assert!(!Hasher::new(10).verify(&attempt, None).expect("a well-formed hash"));
    }

    #[test]
    fn refusing_nobody_costs_what_refusing_somebody_does() {
        for cost in 4..=15 {
            let nobody: HashParts = Hasher::new(cost).hash_of_nobody().parse().expect("a well-formed hash");
            assert_eq!(nobody.get_cost(), cost);
        }
        // A cost that bcrypt does not know is an error exactly if bcrypt was asked, so these show without a clock that
        // it is asked, at that cost, with and without a user, also for what could never be set.
        let impossible = Hasher::new(32);
        let stored = PasswordHash::from_stored(impossible.hash_of_nobody());
        for text in
            ["anything at all".to_owned(), String::new(), "\0".to_owned(), "x".repeat(73), "x".repeat(1024)]
        {
            let attempt = PasswordAttempt::new(text);
            assert!(impossible.verify(&attempt, None).is_err());
            assert!(QUICK.verify(&attempt, Some(&stored)).is_err());
            assert!(!QUICK.verify(&attempt, None).expect("a well-formed hash"));
        }
    }

    #[test]
    fn what_is_stored_and_is_no_hash_is_an_error_that_does_not_repeat_it() {
        for text in [
            "",
            "plain text",
            "$2b$04$short",
            "$2b$99$......................................................",
        ] {
            let attempt = PasswordAttempt::new("anything at all".to_owned());
            let error = QUICK.verify(&attempt, Some(&PasswordHash::from_stored(text.to_owned())));
            let error = error.expect_err("no hash");
            assert!(text.is_empty() || !format!("{error:?} {error}").contains(text), "{error:?}");
        }
    }

    /// Tells whether a type has `Debug`: the constant of the type itself, where there is one, hides the trait's.
    struct Probe<T>(PhantomData<T>);

    trait WithoutDebug {
        const HAS_DEBUG: bool = false;
    }

    impl<T> WithoutDebug for Probe<T> {}

    impl<T: Debug> Probe<T> {
        const HAS_DEBUG: bool = true;
    }

    #[test]
    fn nothing_that_holds_a_password_can_be_shown() {
        const { assert!(Probe::<PasswordHash>::HAS_DEBUG) };
        const { assert!(!Probe::<Password>::HAS_DEBUG) };
        const { assert!(!Probe::<PasswordAttempt>::HAS_DEBUG) };
        const { assert!(!Probe::<User>::HAS_DEBUG) };
    }

    #[test]
    fn a_hash_has_the_configured_cost_and_hides_in_debug_output() {
        let hash = Hasher::new(5).hash(&password("a fine password")).expect("a hash");
        assert!(hash.as_stored().starts_with("$2b$05$"));
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }
}
