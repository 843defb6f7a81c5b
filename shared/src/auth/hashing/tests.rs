//! Which passwords match, and the rounds of a refusal.

use super::{HashParts, Hasher, dummy_hash, rounds};
use crate::model::{NewPassword, PasswordHash, SubmittedPassword};

const QUICK: Hasher = Hasher::new(4, 4);

fn password(text: &str) -> NewPassword {
    NewPassword::try_from(text.to_owned()).expect("a password")
}

fn submitted(text: &str) -> SubmittedPassword {
    SubmittedPassword::try_from(text.to_owned()).expect("a short text")
}

fn matches(text: &str, hash: &PasswordHash) -> bool {
    QUICK.verify(&submitted(text), Some(hash)).expect("a hash")
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
fn a_password_that_cannot_be_set_never_matches() {
    let long = "x".repeat(72);
    let hash = QUICK.hash(&password(&long)).expect("a hash");
    assert!(matches(&long, &hash));
    assert!(!matches(&"x".repeat(73), &hash));
    let hash = QUICK.hash(&password("reel-film!")).expect("a hash");
    assert!(!matches("reel-film!\0reel-film!", &hash));
}

#[test]
fn no_password_matches_without_a_hash() {
    let attempt = submitted("anything at all");
    assert!(!Hasher::new(4, 4).verify(&attempt, None).expect("a well-formed hash"));
    assert!(!Hasher::new(4, 10).verify(&attempt, None).expect("a well-formed hash"));
}

#[test]
fn a_refusal_costs_the_same_for_unknown_users() {
    for cost in 4..=15 {
        let dummy: HashParts = dummy_hash(cost).parse().expect("a well-formed hash");
        assert_eq!(dummy.get_cost(), cost);
    }
    // Bcrypt returns an error for a cost that it does not know. These assertions therefore show without a clock that
    // bcrypt runs, at that cost, with and without a user, and for passwords that cannot be set.
    let impossible = Hasher::new(4, 32);
    let stored = PasswordHash::from_stored(dummy_hash(32));
    for text in
        ["anything at all".to_owned(), String::new(), "\0".to_owned(), "x".repeat(73), "x".repeat(1024)]
    {
        let attempt = submitted(&text);
        assert!(impossible.verify(&attempt, None).is_err());
        assert!(QUICK.verify(&attempt, Some(&stored)).is_err());
        assert!(!QUICK.verify(&attempt, None).expect("a well-formed hash"));
    }
}

#[test]
fn a_refusal_takes_the_rounds_of_the_ceiling() {
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
fn a_hash_of_another_cost_is_replaced() {
    let attempt = submitted("a fine password");
    let stored = Hasher::new(5, 5).hash(&password("a fine password")).expect("a hash");
    for (configured, renewed) in [(4, Some("$2b$04$")), (5, None), (6, Some("$2b$06$")), (7, Some("$2b$07$"))]
    {
        let hash = Hasher::new(configured, 9).rehash(&attempt, &stored).expect("a hash");
        assert_eq!(hash.as_ref().map(|hash| &hash.as_stored()[..7]), renewed, "{configured}");
        assert!(hash.is_none_or(|hash| matches("a fine password", &hash)));
    }
}

#[test]
fn the_error_for_a_corrupt_hash_does_not_show_it() {
    for text in
        ["", "plain text", "$2b$04$short", "$2b$99$......................................................"]
    {
        let attempt = submitted("anything at all");
        let error = QUICK.verify(&attempt, Some(&PasswordHash::from_stored(text.to_owned())));
        let error = error.expect_err("no hash");
        assert!(text.is_empty() || !format!("{error:?} {error}").contains(text), "{error:?}");
    }
}

#[test]
fn a_hash_has_the_configured_cost() {
    let hash = Hasher::new(5, 6).hash(&password("a fine password")).expect("a hash");
    assert!(hash.as_stored().starts_with("$2b$05$"));
}
