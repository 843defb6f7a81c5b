//! The most common passwords, which no user may set (OWASP ASVS 5.0, 6.2.4).
//!
//! The list holds those entries of the crate `passwords` that are long enough: 46,483, in lower case. It is a text and
//! not the crate's own table, because the loader relocates a table of 100,000 pointers at every start of the program,
//! which takes longer than everything else that `signup` does at its start.

use std::cmp::Ordering;

/// One password per line, sorted by bytes.
const LIST: &[u8] = include_bytes!("common.txt");

/// Returns whether a password is on the list, in any case. The lookup takes microseconds for every password; a strength
/// estimator can be made to run for a long time.
pub(super) fn contains(password: &str) -> bool {
    let password = without_case(password);
    // Both are always at the start of a line.
    let (mut low, mut high) = (0, LIST.len());
    while low < high {
        let middle = low.midpoint(high);
        let start = LIST[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let length = LIST[start..].iter().position(|byte| *byte == b'\n').unwrap_or(LIST.len() - start);
        match LIST[start..start + length].cmp(password.as_bytes()) {
            Ordering::Less => low = start + length + 1,
            Ordering::Greater => high = start,
            Ordering::Equal => return true,
        }
    }
    false
}

/// Returns the text in lower case, by way of upper case: some letters, such as the long s, equal others only there.
pub(super) fn without_case(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{MAX_BYTES, MIN_CHARACTERS},
        LIST, contains, without_case,
    };

    fn list() -> Vec<&'static str> {
        str::from_utf8(LIST).expect("a text").lines().collect()
    }

    #[test]
    fn every_entry_is_found_and_nothing_next_to_it() {
        let list = list();
        assert_eq!(list.len(), 46_483);
        for entry in list {
            assert!(contains(entry), "{entry}");
            for other in [format!("{entry}\n"), format!("\n{entry}"), format!("{entry}\u{10ffff}")] {
                assert!(!contains(&other), "{other:?}");
            }
        }
        for other in ["", "\n", "\0", "\u{10ffff}", "!", "12345678\n123456789"] {
            assert!(!contains(other), "{other:?}");
        }
    }

    #[test]
    fn entries_are_sorted_in_lower_case_and_could_be_set_otherwise() {
        let list = list();
        assert!(list.is_sorted_by(|one, next| one < next));
        for entry in list {
            assert_eq!(without_case(entry), entry);
            assert!(entry.chars().count() >= MIN_CHARACTERS && entry.len() <= MAX_BYTES, "{entry}");
        }
    }
}
