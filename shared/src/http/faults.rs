//! The faults of a request's fields, limited so that no request causes a large response.

use serde::Serialize;

use crate::model::Invalid;

/// The most faults in a problem document.
const MAX_FAULTS: usize = 50;
/// The most characters of a field's name in a fault.
const MAX_NAME_CHARACTERS: usize = 100;
/// The most bytes of JSON of all faults together. The other members of a problem document need less than 1 KiB, so the
/// document has at most 16 KiB.
const MAX_JSON_BYTES: usize = 15 * 1024;

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    /// The field's name, with an index for an item of a list: `casts[2]`.
    pub field: String,
    /// The fault, which completes the sentence "this field …".
    pub message: String,
}

/// The faults of a request in the order in which they were found: the first 50, or as many as fit into a problem document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults {
    list: Vec<FieldFault>,
    #[serde(skip)]
    json_bytes: usize,
}

impl Faults {
    /// Adds a fault of `field`, unless there are too many already. A long name is truncated to 100 characters.
    pub fn add(&mut self, field: &str, invalid: Invalid) {
        if self.list.len() == MAX_FAULTS {
            return;
        }
        let field = field.chars().take(MAX_NAME_CHARACTERS).collect();
        let fault = FieldFault { field, message: invalid.into_reason().into_owned() };
        // A character takes one to six bytes of JSON, so the bytes are counted and not the characters. One more byte is the
        // comma.
        let bytes = serde_json::to_string(&fault).map_or(MAX_JSON_BYTES, |json| json.len() + 1);
        if self.json_bytes + bytes <= MAX_JSON_BYTES {
            self.json_bytes += bytes;
            self.list.push(fault);
        }
    }

    /// Returns whether no fault was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the faults.
    #[must_use]
    pub fn as_slice(&self) -> &[FieldFault] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::{Faults, MAX_FAULTS, MAX_JSON_BYTES};
    use crate::model::Invalid;

    fn faults_of(name: &str) -> Faults {
        let mut faults = Faults::default();
        for _ in 0..1_000 {
            faults.add(name, Invalid::new("is not a known field"));
        }
        faults
    }

    #[test]
    fn at_most_50_faults_are_kept() {
        assert_eq!(faults_of("name").as_slice().len(), MAX_FAULTS);
    }

    #[test]
    fn names_are_shortened_to_100_characters() {
        assert_eq!(faults_of(&"é".repeat(101)).as_slice()[0].field, "é".repeat(100));
    }

    #[test]
    fn commas_count_toward_the_limit() {
        for length in 1..=100 {
            let json = serde_json::to_string(&faults_of(&"\u{1}".repeat(length))).expect("JSON");
            // The limit counts a comma after each fault, also after the last one, but not the two brackets.
            assert!(json.len() - 1 <= MAX_JSON_BYTES, "{length}: {} bytes", json.len());
        }
    }

    #[test]
    fn escaped_characters_count_with_their_escapes() {
        let faults = faults_of(&"\u{1}".repeat(200));
        let json = serde_json::to_string(&faults).expect("JSON");
        assert!(
            json.len() <= MAX_JSON_BYTES + 1 && json.len() > MAX_JSON_BYTES - 1_000,
            "{} bytes",
            json.len()
        );
        assert!(!faults.is_empty());
    }
}
