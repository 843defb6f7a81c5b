//! The faults of a request's fields, limited so that no request causes a large response.

use serde::Serialize;

use crate::model::Invalid;

/// The most faults in a problem document.
const FAULTS: usize = 50;
/// The most characters of a field's name in a fault.
const NAME_CHARACTERS: usize = 100;
/// The most bytes of JSON of all faults together. The other members of a problem document need less than 1 KiB, so the
/// document has at most 16 KiB.
const JSON_BYTES: usize = 15 * 1024;

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's name, with an index for an item of a list: `casts[2]`.
    pub field: String,
    /// The fault, which completes the sentence "this field …".
    pub message: String,
}

/// The faults of a request in the order in which they were found: the first 50, or as many as fit into a problem document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults {
    list: Vec<FieldError>,
    #[serde(skip)]
    json_bytes: usize,
}

impl Faults {
    /// Adds a fault of `field`, unless there are too many already. A long name is truncated to 100 characters.
    pub fn add(&mut self, field: &str, invalid: Invalid) {
        if self.list.len() == FAULTS {
            return;
        }
        let field = field.chars().take(NAME_CHARACTERS).collect();
        let fault = FieldError { field, message: invalid.into_reason().into_owned() };
        // A character takes one to six bytes of JSON, so the bytes are counted and not the characters. One more byte is the
        // comma.
        let bytes = serde_json::to_string(&fault).map_or(JSON_BYTES, |json| json.len() + 1);
        if self.json_bytes + bytes <= JSON_BYTES {
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
    pub fn as_slice(&self) -> &[FieldError] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::{FAULTS, Faults, JSON_BYTES};
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
        assert_eq!(faults_of("name").as_slice().len(), FAULTS);
    }

    #[test]
    fn names_are_shortened_to_100_characters() {
        assert_eq!(faults_of(&"é".repeat(101)).as_slice()[0].field, "é".repeat(100));
    }

    #[test]
    fn escaped_characters_count_with_their_escapes() {
        let faults = faults_of(&"\u{1}".repeat(200));
        let json = serde_json::to_string(&faults).expect("JSON");
        assert!(json.len() <= JSON_BYTES + 1 && json.len() > JSON_BYTES - 1_000, "{} bytes", json.len());
        assert!(!faults.is_empty());
    }
}
