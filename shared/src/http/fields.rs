//! The fields of a body, read so that every faulty one is found at once.

use serde_json::{Map, Value};

use super::faults::Faults;
use crate::{
    auth::password::{Password, SubmittedPassword},
    error::ApiError,
    model::{Email, Invalid, MovieName, movie::TextList},
};

/// The most bytes of a credential that is checked rather than set.
const CREDENTIAL_BYTES: usize = 1024;

/// A type that is read from the fields of a body.
pub trait FromBody: Sized {
    /// Takes the fields it knows. `None` when one of them was faulty, which `fields` has then noted.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// A type that is read from the value of one field.
pub trait Field: Sized {
    /// Takes the value, or notes in `faults` what is wrong with it.
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self>;
}

/// The fields of a body that have not been taken yet, and what was wrong with those that have.
pub struct Fields {
    values: Map<String, Value>,
    faults: Faults,
}

impl Fields {
    /// Reads a whole body: missing, unknown, wrong-typed and invalid fields are told together.
    pub fn read<T: FromBody>(values: Map<String, Value>) -> Result<T, ApiError> {
        let mut fields = Self { values, faults: Faults::default() };
        let read = T::from_fields(&mut fields);
        for (unknown, _) in fields.values {
            fields.faults.add(&unknown, Invalid::new("is not a known field"));
        }
        match read {
            Some(body) if fields.faults.is_empty() => Ok(body),
            _ => Err(ApiError::ValidationFailed(fields.faults)),
        }
    }

    /// Takes a field that must be there.
    pub fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        if let Some(value) = self.values.remove(name) {
            T::from_value(value, name, &mut self.faults)
        } else {
            self.fault(name, Invalid::new("is required"));
            None
        }
    }

    /// Takes a field that may be left out. JSON's `null` is a value, and not one that any field accepts.
    pub fn optional<T: Field>(&mut self, name: &str) -> Option<T> {
        self.values.remove(name).and_then(|value| T::from_value(value, name, &mut self.faults))
    }

    /// Notes a fault unless at least one of these fields was sent.
    pub fn require_one_of(&mut self, names: &[&str]) {
        if !names.iter().any(|name| self.values.contains_key(*name)) {
            self.fault("body", Invalid::new(format!("must have at least one of {}", names.join(", "))));
        }
    }

    /// Notes what is wrong with a field.
    pub fn fault(&mut self, name: &str, invalid: Invalid) {
        self.faults.add(name, invalid);
    }
}

/// The error that tells of one faulty field, found only after all were read.
#[must_use]
pub fn field_fault(name: &str, invalid: Invalid) -> ApiError {
    let mut faults = Faults::default();
    faults.add(name, invalid);
    ApiError::ValidationFailed(faults)
}

impl Field for String {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        if let Value::String(text) = value {
            return Some(text);
        }
        faults.add(field, Invalid::new("must be a string"));
        None
    }
}

/// Reads a string and makes something more of it.
fn checked<T>(
    value: Value,
    field: &str,
    faults: &mut Faults,
    check: impl FnOnce(String) -> Result<T, Invalid>,
) -> Option<T> {
    let text = String::from_value(value, field, faults)?;
    check(text).map_err(|invalid| faults.add(field, invalid)).ok()
}

/// A credential to be checked: any text, as long as hashing it is bounded.
fn credential(text: String) -> Result<String, Invalid> {
    if text.len() > CREDENTIAL_BYTES { Err(Invalid::new("must have at most 1024 bytes")) } else { Ok(text) }
}

impl Field for Email {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        checked(value, field, faults, Self::try_from)
    }
}

impl Field for MovieName {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        checked(value, field, faults, Self::try_from)
    }
}

impl Field for Password {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        checked(value, field, faults, Self::new)
    }
}

impl Field for SubmittedPassword {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        checked(value, field, faults, |text| credential(text).map(Self::new))
    }
}

/// An email that somebody claims to have signed up with. Any text may be tried.
pub struct EmailAttempt(pub String);

impl Field for EmailAttempt {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        checked(value, field, faults, |text| credential(text).map(Self))
    }
}

impl<const ITEMS: usize, const CHARACTERS: usize, const BYTES: usize> Field
    for TextList<ITEMS, CHARACTERS, BYTES>
{
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        let Value::Array(items) = value else {
            faults.add(field, Invalid::new("must be an array of strings"));
            return None;
        };
        if let Err(invalid) = Self::check_length(items.len()) {
            // A list of the wrong length is told as that, rather than item by item.
            faults.add(field, invalid);
            return None;
        }
        let texts: Vec<Option<String>> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                checked(item, &format!("{field}[{index}]"), faults, |text| Self::check_item(&text))
            })
            .collect();
        let texts = texts.into_iter().collect::<Option<Vec<String>>>()?;
        Self::from_checked_items(texts).map_err(|invalid| faults.add(field, invalid)).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Fields, FromBody};
    use crate::{
        error::ApiError,
        model::{Casts, MovieName},
    };

    #[derive(Debug)]
    struct Example;

    impl FromBody for Example {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let name = fields.required::<MovieName>("name");
            let casts = fields.optional::<Casts>("casts");
            name.and(casts.map(|_| Self).or(Some(Self)))
        }
    }

    fn faults(body: Value) -> Vec<(String, String)> {
        let Value::Object(body) = body else { panic!("an object") };
        match Fields::read::<Example>(body) {
            Ok(_) => Vec::new(),
            Err(ApiError::ValidationFailed(faults)) => {
                faults.as_slice().iter().map(|fault| (fault.field.clone(), fault.message.clone())).collect()
            }
            Err(other) => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn good_fields_have_no_faults() {
        assert_eq!(faults(json!({"name": "Alien"})), []);
        assert_eq!(faults(json!({"name": "Alien", "casts": ["Sigourney Weaver"]})), []);
    }

    #[test]
    fn every_faulty_field_is_told_at_once() {
        let found = faults(json!({"casts": ["", 7, "ok", null], "id": "x", "added_by": "y"}));
        let expected = [
            ("name", "is required"),
            ("casts[0]", "must not be empty"),
            ("casts[1]", "must be a string"),
            ("casts[3]", "must be a string"),
            ("added_by", "is not a known field"),
            ("id", "is not a known field"),
        ];
        let found: Vec<_> = found.iter().map(|(field, message)| (field.as_str(), message.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn null_is_not_the_same_as_nothing() {
        assert_eq!(faults(json!({"name": null})).len(), 1);
        assert_eq!(faults(json!({"name": "Alien", "casts": null})).len(), 1);
    }
}
