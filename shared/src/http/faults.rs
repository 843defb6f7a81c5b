//! The faulty fields of a request, bounded so that no request makes its response large.

use serde::Serialize;

use crate::model::Invalid;

/// The most faults that a problem document lists.
const FAULTS: usize = 50;
/// The most characters of a field's name that a fault repeats.
const NAME_CHARACTERS: usize = 100;
/// The most bytes of JSON that all faults together may take. The other members of a problem document need less than
/// 1 KiB, so the document has at most 16 KiB.
const JSON_BYTES: usize = 15 * 1024;

/// One faulty field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's name, with an index for one item of a list: `casts[2]`.
    pub field: String,
    /// What is wrong, completing the sentence "this field …".
    pub message: String,
}

/// The faults that were found, in the order in which they were found: the first 50, or as many as fit into the size of a
/// problem document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults {
    list: Vec<FieldError>,
    #[serde(skip)]
    json_bytes: usize,
}

impl Faults {
    /// Adds a fault of `field`, unless there are too many already. Of a long name only the first 100 characters stay.
    pub fn add(&mut self, field: &str, invalid: Invalid) {
        if self.list.len() == FAULTS {
            return;
        }
        let field = field.chars().take(NAME_CHARACTERS).collect();
        let fault = FieldError { field, message: invalid.into_reason().into_owned() };
        // A character takes one to six bytes of JSON, so counting characters bounds no bytes. One more is the comma.
        let bytes = serde_json::to_string(&fault).map_or(JSON_BYTES, |json| json.len() + 1);
        if self.json_bytes + bytes <= JSON_BYTES {
            self.json_bytes += bytes;
            self.list.push(fault);
        }
    }

    /// Whether no fault was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults.
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
    fn what_json_escapes_counts_as_it_is_written() {
        let faults = faults_of(&"\u{1}".repeat(200));
        let json = serde_json::to_string(&faults).expect("JSON");
        assert!(json.len() <= JSON_BYTES + 1 && json.len() > JSON_BYTES - 1_000, "{} bytes", json.len());
        assert!(!faults.is_empty());
    }
}
