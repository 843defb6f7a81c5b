//! Checks which texts are email addresses, and their canonical form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::model::{Email, NewPassword, SubmittedEmail};

fuzz_target!(|text: &str| check(text));

fn check(text: &str) {
    let parsed = Email::try_from(text.to_owned());
    assert_eq!(parsed.is_ok(), is_plain_mailbox(text), "whether it is an address");

    let submitted = SubmittedEmail::try_from(text.to_owned());
    assert_eq!(submitted.is_ok(), text.len() <= 1024, "whether it can be looked up");
    let Ok(email) = parsed else { return };
    let (canonical, submitted) = (email.canonical(), submitted.expect("an address is short"));
    assert_eq!(email.as_str(), text, "the address is kept");
    assert!(canonical.as_str().eq_ignore_ascii_case(text), "only the case may change");
    assert!(submitted.canonical() == canonical, "a login finds the address");

    for variant in [canonical.as_str().to_owned(), text.to_ascii_uppercase(), text.to_ascii_lowercase()] {
        let other = Email::try_from(variant).expect("the case does not decide");
        assert!(other.canonical() == canonical, "the case must not distinguish addresses");
    }
    let (local_part, _) = canonical.as_str().split_once('@').expect("an address");
    assert_eq!(canonical.local_part(), local_part, "the local part");
    if let Ok(password) = NewPassword::try_from(local_part.to_ascii_uppercase()) {
        assert!(password.check_against(&canonical).is_err(), "the local part is no password");
    }
}

/// Returns whether a text is a dot-atom of at most 64 characters, an `@`, and a domain of two labels or more: the grammar
/// of RFC 5321 section 4.1.2 without quoted strings and address literals, and its limits.
fn is_plain_mailbox(text: &str) -> bool {
    let Some((local_part, domain)) = text.split_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|character| {
                character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character)
            })
    };
    let is_label = |label: &str| {
        let inner = label.chars().all(|character| character.is_ascii_alphanumeric() || character == '-');
        let ends = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && inner && !ends
    };
    text.len() <= 254
        && local_part.len() <= 64
        && local_part.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}
