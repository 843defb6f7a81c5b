//! What may be set, what matches, and what a refusal costs.

use std::{fmt::Debug, marker::PhantomData};

use super::{HashParts, Hasher, Password, PasswordHash, SubmittedPassword, dummy_hash, rounds};
use crate::model::{Email, User};

const QUICK: Hasher = Hasher::new(4, 4);

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).map_err(|invalid| format!("{text:?}: {invalid:?}")).expect("a password")
}

fn matches(attempt: &str, hash: &PasswordHash) -> bool {
    QUICK.verify(&SubmittedPassword::new(attempt.to_owned()), Some(hash)).expect("a hash")
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
        assert!(Password::new(text.to_owned()).is_err(), "{text}");
    }
}

#[test]
fn a_password_with_nul_is_refused() {
    assert!(Password::new("abcdefg\0abcdefg".to_owned()).is_err());
}

#[test]
fn the_name_part_of_an_address_is_recognised() {
    let email: Email = "Ann.Smith@example.com".parse().expect("an address");
    assert!(password("ann.SMITH").check_against(&email.canonical()).is_err());
    assert!(password("ann.smith.too").check_against(&email.canonical()).is_ok());
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
    let attempt = SubmittedPassword::new("anything at all".to_owned());
    assert!(!Hasher::new(4, 4).verify(&attempt, None).expect("a well-formed hash"));
    assert!(!Hasher::new(4, 10).verify(&attempt, None).expect("a well-formed hash"));
}

#[test]
fn refusing_nobody_costs_what_refusing_somebody_does() {
    for cost in 4..=15 {
        let nobody: HashParts = dummy_hash(cost).parse().expect("a well-formed hash");
        assert_eq!(nobody.get_cost(), cost);
    }
    // A cost that bcrypt does not know is an error exactly if bcrypt was asked, so these show without a clock that
    // it is asked, at that cost, with and without a user, also for what could never be set.
    let impossible = Hasher::new(4, 32);
    let stored = PasswordHash::from_stored(dummy_hash(32));
    for text in
        ["anything at all".to_owned(), String::new(), "\0".to_owned(), "x".repeat(73), "x".repeat(1024)]
    {
        let attempt = SubmittedPassword::new(text);
        assert!(impossible.verify(&attempt, None).is_err());
        assert!(QUICK.verify(&attempt, Some(&stored)).is_err());
        assert!(!QUICK.verify(&attempt, None).expect("a well-formed hash"));
    }
}

#[test]
fn a_refusal_takes_the_rounds_of_the_ceiling_whatever_the_stored_cost() {
    for ceiling in 4..=15 {
        for cost in 4..=ceiling {
            for stored in 4..=ceiling {
                let topped_up = Hasher::new(cost, ceiling).top_up(stored).map(rounds).sum::<u64>();
                assert_eq!(rounds(stored) + topped_up, rounds(ceiling), "{stored} at {cost} up to {ceiling}");
            }
        }
    }
    assert_eq!((rounds(4), rounds(12), rounds(31), rounds(99)), (16, 4_096, 1 << 31, u64::MAX));
}

#[test]
fn a_hash_is_renewed_if_it_was_made_at_another_cost() {
    let attempt = SubmittedPassword::new("a fine password".to_owned());
    let stored = Hasher::new(5, 5).hash(&password("a fine password")).expect("a hash");
    for (configured, renewed) in [(4, Some("$2b$04$")), (5, None), (6, Some("$2b$06$")), (7, Some("$2b$07$"))]
    {
        let hash = Hasher::new(configured, 9).renew(&attempt, &stored).expect("a hash");
        assert_eq!(hash.as_ref().map(|hash| &hash.as_stored()[..7]), renewed, "{configured}");
        assert!(hash.is_none_or(|hash| matches("a fine password", &hash)));
    }
}

#[test]
fn what_is_stored_and_is_no_hash_is_an_error_that_does_not_repeat_it() {
    for text in
        ["", "plain text", "$2b$04$short", "$2b$99$......................................................"]
    {
        let attempt = SubmittedPassword::new("anything at all".to_owned());
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
    const { assert!(!Probe::<SubmittedPassword>::HAS_DEBUG) };
    const { assert!(!Probe::<User>::HAS_DEBUG) };
}

#[test]
fn a_hash_has_the_configured_cost_and_hides_in_debug_output() {
    let hash = Hasher::new(5, 6).hash(&password("a fine password")).expect("a hash");
    assert!(hash.as_stored().starts_with("$2b$05$"));
    assert_eq!(format!("{hash:?}"), "PasswordHash");
}
