//! Places in the list of movies, as clients carry them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::keys;

/// The first byte of every cursor. A change of what follows needs another one.
const VERSION: u8 = 1;

/// The longest canonical name, in bytes, as DynamoDB takes sort keys.
const NAME_KEY_BYTES: usize = 1024;

/// The movie after which a page begins. As text it is a version, the movie's id, its canonical name and a checksum,
/// in base64url: it holds nothing that the list does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    name_key: String,
    movie_id: Uuid,
}

impl Cursor {
    /// The text for a link.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.movie_id.as_bytes());
        bytes.extend_from_slice(self.name_key.as_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a text that [`encode`](Self::encode) made; `None` for any other.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (&version, content) = content.split_first()?;
        let (id, name_key) = content.split_first_chunk::<16>()?;
        let name_key = String::from_utf8(name_key.to_vec()).ok()?;
        ((1..=NAME_KEY_BYTES).contains(&name_key.len()) && version == VERSION)
            .then(|| Self { name_key, movie_id: Uuid::from_bytes(*id) })
    }

    /// The place of an item of the list. It takes only the keys, which an item has even when the rest is corrupt.
    pub(super) fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let name_key = item.get("name_key")?.as_s().ok()?.clone();
        let movie_id = keys::movie_id(item.get(keys::PARTITION)?.as_s().ok()?)?;
        Some(Self { name_key, movie_id })
    }

    /// The place as DynamoDB takes it.
    pub(super) fn start_key(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (keys::PARTITION.to_owned(), AttributeValue::S(keys::movie(self.movie_id))),
            ("catalog".to_owned(), AttributeValue::S(keys::CATALOG.to_owned())),
            ("name_key".to_owned(), AttributeValue::S(self.name_key.clone())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::Cursor;

    fn example() -> Cursor {
        Cursor { name_key: "amélie".to_owned(), movie_id: Uuid::from_u128(7) }
    }

    #[test]
    fn every_single_byte_change_is_noticed() {
        let text = example().encode();
        for position in 0..text.len() {
            for byte in 0..=127_u8 {
                let mut changed = text.clone().into_bytes();
                if changed[position] == byte {
                    continue;
                }
                changed[position] = byte;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert_eq!(Cursor::decode(&changed), None, "{changed}");
            }
        }
    }

    #[test]
    fn a_shorter_or_longer_text_is_no_cursor() {
        let text = example().encode();
        for length in 0..text.len() {
            assert_eq!(Cursor::decode(&text[..length]), None);
        }
        assert_eq!(Cursor::decode(&format!("{text}A")), None);
        assert_eq!(Cursor::decode(&format!("{text}=")), None);
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(name_key in "\\PC{1,100}", id: u128) {
            let cursor = Cursor { name_key, movie_id: Uuid::from_u128(id) };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,100}") {
            Cursor::decode(&text);
        }
    }
}
