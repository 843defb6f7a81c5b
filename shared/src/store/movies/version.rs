//! A movie's version: its form in the table, and who may replace it.
//!
//! The form is 16 bytes. As text, a version would make an item 20 bytes larger, and a page of 100 movies half a read unit
//! more expensive.

use std::fmt;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};
use uuid::Uuid;

use crate::model::VersionSet;

/// Returns whether a client that knows these versions may write a movie of this version; `None` permits any.
pub(super) fn permitted(if_match: Option<&VersionSet>, version: Uuid) -> bool {
    if_match.is_none_or(|versions| versions.contains(version))
}

/// Returns the value of the attribute.
pub(super) fn value(version: Uuid) -> AttributeValue {
    AttributeValue::B(Blob::new(version.as_bytes()))
}

pub(super) fn serialize<S: Serializer>(version: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(version.as_bytes())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Uuid;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a version of 16 bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Uuid, E> {
            Uuid::from_slice(bytes).map_err(E::custom)
        }
    }

    deserializer.deserialize_bytes(Bytes)
}
