//! Positions in a list of movies, in the form that clients send back.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::{item::Item, keys};
use crate::model::{MovieFilter, NamePrefix};

/// The first byte of every cursor. A change of the format needs a new version.
const VERSION: u8 = 1;

/// The most bytes of a partition key in DynamoDB.
const MAX_PARTITION_KEY_BYTES: usize = 2048;
/// The most bytes of a sort key in DynamoDB.
const MAX_SORT_KEY_BYTES: usize = 1024;

/// The item after which a page begins.
///
/// Its text is base64url of a version, the item's key and canonical name, each prefixed with its length, the filter of the
/// list, and a checksum. It contains nothing that the list does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    key: String,
    name_key: String,
}

impl Cursor {
    /// Returns the text for a link to the next page of a list with this filter.
    #[must_use]
    pub fn encode(&self, filter: &MovieFilter) -> String {
        let mut bytes = vec![VERSION];
        for part in [&self.key, &self.name_key] {
            bytes.extend_from_slice(&length(part));
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&mark(filter));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a text that [`encode`](Self::encode) returned for the same filter; `None` for any other text.
    #[must_use]
    pub fn decode(text: &str, filter: &MovieFilter) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (key, content) = split_part(content.strip_prefix(&[VERSION])?)?;
        let (name_key, rest) = split_part(content)?;
        let lengths_fit = (1..=MAX_PARTITION_KEY_BYTES).contains(&key.len())
            && (1..=MAX_SORT_KEY_BYTES).contains(&name_key.len());
        // DynamoDB rejects a position outside of the prefix.
        let is_in_list = name_key.starts_with(prefix_of(filter));
        (lengths_fit && is_in_list && rest == mark(filter)).then_some(Self { key, name_key })
    }

    /// Returns the position of an item of a list. It reads only the keys, which even a corrupt item has.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let text = |attribute: &str| item.get(attribute)?.as_s().ok().cloned();
        Some(Self { key: text(keys::PARTITION)?, name_key: text(keys::NAME_KEY)? })
    }

    /// Returns the position as DynamoDB's `ExclusiveStartKey` for an index, given its partition key and the value.
    pub(super) fn start_key(&self, attribute: &str, partition: String) -> Item {
        Item::from([
            (keys::PARTITION.to_owned(), AttributeValue::S(self.key.clone())),
            (attribute.to_owned(), AttributeValue::S(partition)),
            (keys::NAME_KEY.to_owned(), AttributeValue::S(self.name_key.clone())),
        ])
    }
}

/// Returns the bytes that tell the lists of different filters apart: the user's id, and the length of the canonical prefix,
/// each if the filter has one. The prefix itself is the beginning of the cursor's name.
fn mark(filter: &MovieFilter) -> Vec<u8> {
    let user = filter.added_by.map(Uuid::into_bytes);
    let prefix = filter.name_prefix.as_ref().map(|prefix| length(prefix.key()));
    [user.as_slice().concat(), prefix.as_slice().concat()].concat()
}

fn prefix_of(filter: &MovieFilter) -> &str {
    filter.name_prefix.as_ref().map_or("", NamePrefix::key)
}

/// Returns the number of bytes of a text, which no text here exceeds.
fn length(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()
}

fn split_part(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<2>()?;
    let (part, rest) = bytes.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((String::from_utf8(part.to_vec()).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::Cursor;
    use crate::model::{MovieFilter, NamePrefix};

    fn example() -> Cursor {
        Cursor { key: "movie#7".to_owned(), name_key: "amélie".to_owned() }
    }

    fn filter(prefix: &str, user: u128) -> MovieFilter {
        MovieFilter {
            name_prefix: NamePrefix::try_from(prefix.to_owned()).ok(),
            added_by: (user > 0).then(|| Uuid::from_u128(user)),
        }
    }

    /// Filters that a list with the example has, all different.
    fn filters() -> Vec<MovieFilter> {
        let prefixes = ["", "a", "am", "AME\u{301}", "amelie", "Amélie"];
        let pairs = prefixes.into_iter().flat_map(|prefix| [0, 1, 2].map(|user| filter(prefix, user)));
        pairs.filter(|filter| example().name_key.starts_with(super::prefix_of(filter))).collect()
    }

    #[test]
    fn a_change_of_any_byte_is_detected() {
        for filter in filters() {
            let text = example().encode(&filter);
            for position in 0..text.len() {
                for byte in 0..=127_u8 {
                    let mut changed = text.clone().into_bytes();
                    if changed[position] == byte {
                        continue;
                    }
                    changed[position] = byte;
                    let changed = String::from_utf8(changed).expect("ASCII");
                    assert_eq!(Cursor::decode(&changed, &filter), None, "{changed}");
                }
            }
        }
    }

    #[test]
    fn a_truncated_or_extended_text_is_refused() {
        for filter in filters() {
            let text = example().encode(&filter);
            for length in 0..text.len() {
                assert_eq!(Cursor::decode(&text[..length], &filter), None);
            }
            assert_eq!(Cursor::decode(&format!("{text}A"), &filter), None);
            assert_eq!(Cursor::decode(&format!("{text}="), &filter), None);
        }
    }

    #[test]
    fn a_cursor_works_with_its_own_filter_only() {
        let filters = filters();
        assert_eq!(filters.len(), 15);
        for one in &filters {
            for other in &filters {
                let decoded = Cursor::decode(&example().encode(one), other);
                assert_eq!(decoded, (one == other).then(example), "{one:?} {other:?}");
            }
        }
        // Two spellings of a prefix are the same filter.
        assert_eq!(Cursor::decode(&example().encode(&filter("AM", 1)), &filter(" am ", 1)), Some(example()));
    }

    #[test]
    fn a_name_outside_of_the_prefix_is_refused() {
        for outside in ["b", "amz", "ama", "amélie 2"] {
            let filter = filter(outside, 0);
            assert_eq!(Cursor::decode(&example().encode(&filter), &filter), None, "{outside}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_encoding(key in "\\PC{1,100}", name_key in "\\PC{1,100}", user in 0..3_u128) {
            let (cursor, filter) = (Cursor { key, name_key }, filter("", user));
            prop_assert_eq!(Cursor::decode(&cursor.encode(&filter), &filter), Some(cursor));
        }

        #[test]
        fn decoding_never_panics(text in "\\PC{0,100}", user in 0..3_u128) {
            let _ = Cursor::decode(&text, &filter(&text, user));
        }
    }
}
