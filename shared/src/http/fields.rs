//! The fields of a body. All faults of a body are reported together.

use serde_json::{Map, Value};

use super::{ApiError, faults::Faults};
use crate::model::{Invalid, TextList};

/// A request body.
pub trait FromBody: Sized {
    /// Takes the known fields and adds their faults to `fields`. The value is used only if there is no fault.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// A type that can be read from the value of one field.
pub trait Field: Sized {
    /// Reads the value, or adds to `faults` what is wrong with it.
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self>;
}

/// The fields of a body that have not been taken yet, and the faults of those that have.
pub struct Fields {
    values: Map<String, Value>,
    faults: Faults,
}

impl Fields {
    /// Reads a body. The error lists missing, unknown, wrongly typed and invalid fields together.
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

    /// Takes a required field.
    pub fn required<T: Field>(&mut self, name: &str) -> Option<T> {
        if let Some(value) = self.values.remove(name) {
            T::from_value(value, name, &mut self.faults)
        } else {
            self.fault(name, Invalid::new("is required"));
            None
        }
    }

    /// Takes an optional field. `null` is not the same as a missing field, and no field accepts it.
    pub fn optional<T: Field>(&mut self, name: &str) -> Option<T> {
        self.values.remove(name).and_then(|value| T::from_value(value, name, &mut self.faults))
    }

    /// Adds a fault unless the body has at least one of these fields.
    pub fn require_one_of(&mut self, names: &[&str]) {
        if !names.iter().any(|name| self.values.contains_key(*name)) {
            self.fault("body", Invalid::new(format!("must have at least one of {}", names.join(", "))));
        }
    }

    /// Adds a fault of a field.
    pub fn fault(&mut self, name: &str, invalid: Invalid) {
        self.faults.add(name, invalid);
    }
}

/// Returns the error for a single field whose fault was found after the body was read.
#[must_use]
pub fn field_fault(name: &str, invalid: Invalid) -> ApiError {
    let mut faults = Faults::default();
    faults.add(name, invalid);
    ApiError::ValidationFailed(faults)
}

/// Every value of the model that is made of a string.
impl<T: TryFrom<String, Error = Invalid>> Field for T {
    fn from_value(value: Value, field: &str, faults: &mut Faults) -> Option<Self> {
        from_string(value, field, faults, Self::try_from)
    }
}

fn from_string<T>(
    value: Value,
    field: &str,
    faults: &mut Faults,
    check: impl FnOnce(String) -> Result<T, Invalid>,
) -> Option<T> {
    let Value::String(text) = value else {
        faults.add(field, Invalid::new("must be a string"));
        return None;
    };
    check(text).map_err(|invalid| faults.add(field, invalid)).ok()
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
            // One fault for a list of the wrong length, instead of one for each item.
            faults.add(field, invalid);
            return None;
        }
        let texts: Vec<Option<String>> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                from_string(item, &format!("{field}[{index}]"), faults, |text| Self::check_item(&text))
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
        http::ApiError,
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
    fn all_faulty_fields_are_reported_together() {
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
    fn null_is_not_the_same_as_a_missing_field() {
        assert_eq!(faults(json!({"name": null})).len(), 1);
        assert_eq!(faults(json!({"name": "Alien", "casts": null})).len(), 1);
    }
}
