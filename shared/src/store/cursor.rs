//! Positions in the list of movies, in the form that clients send back.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{item::Item, keys};

/// The first byte of every cursor. A change of the format needs a new version.
const VERSION: u8 = 1;

/// The most bytes of a partition key in DynamoDB.
const MAX_PARTITION_KEY_BYTES: usize = 2048;
/// The most bytes of a sort key in DynamoDB.
const MAX_SORT_KEY_BYTES: usize = 1024;

/// The item after which a page begins.
///
/// Its text is base64url of a version, the item's key and canonical name, each prefixed with its length, and a checksum.
/// It contains nothing that the list does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    key: String,
    name_key: String,
}

impl Cursor {
    /// Returns the text for a link.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        for part in [&self.key, &self.name_key] {
            bytes.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a text that [`encode`](Self::encode) returned; `None` for any other text.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        let content = content.strip_prefix(&[VERSION])?;
        if crc32fast::hash(&bytes[..bytes.len() - checksum.len()]) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (key, content) = split_part(content)?;
        let (name_key, rest) = split_part(content)?;
        let lengths_fit = (1..=MAX_PARTITION_KEY_BYTES).contains(&key.len())
            && (1..=MAX_SORT_KEY_BYTES).contains(&name_key.len());
        (lengths_fit && rest.is_empty()).then_some(Self { key, name_key })
    }

    /// Returns the position of an item of the list. It reads only the keys, which even a corrupt item has.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let text = |attribute: &str| item.get(attribute)?.as_s().ok().cloned();
        Some(Self { key: text(keys::PARTITION)?, name_key: text(keys::NAME_KEY)? })
    }

    /// Returns the position as DynamoDB's `ExclusiveStartKey`.
    pub(super) fn start_key(&self) -> Item {
        Item::from([
            (keys::PARTITION.to_owned(), AttributeValue::S(self.key.clone())),
            (keys::CATALOG.to_owned(), AttributeValue::S(keys::ALL_MOVIES.to_owned())),
            (keys::NAME_KEY.to_owned(), AttributeValue::S(self.name_key.clone())),
        ])
    }
}

fn split_part(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<2>()?;
    let (part, rest) = bytes.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((String::from_utf8(part.to_vec()).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::Cursor;
    use proptest::prelude::*;

    fn example() -> Cursor {
        Cursor { key: "movie#7".to_owned(), name_key: "amélie".to_owned() }
    }

    #[test]
    fn a_change_of_any_byte_is_detected() {
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
    fn a_truncated_or_extended_text_is_refused() {
        let text = example().encode();
        for length in 0..text.len() {
            assert_eq!(Cursor::decode(&text[..length]), None);
        }
        assert_eq!(Cursor::decode(&format!("{text}A")), None);
        assert_eq!(Cursor::decode(&format!("{text}=")), None);
    }

    proptest! {
        #[test]
        fn a_cursor_survives_encoding(key in "\\PC{1,100}", name_key in "\\PC{1,100}") {
            let cursor = Cursor { key, name_key };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn decoding_never_panics(text in "\\PC{0,100}") {
            let _ = Cursor::decode(&text);
        }
    }
}
