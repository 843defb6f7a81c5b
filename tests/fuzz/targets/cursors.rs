//! Checks the cursors of `GET /api/movies`: each position has one encoding, which works only with its own filter.

#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use shared::{
    model::{MovieFilter, NamePrefix},
    store::Cursor,
};
use uuid::Uuid;

/// The user whose movies a list is limited to, if the input selects one.
const USER: Uuid = Uuid::from_u128(0x019a_4c5d_1f20_7e4b_8a96_3c7d_52e0_b18f);

// The lines of the input: an empty line, or `user` for the movies of a user; a prefix; the text of a cursor, or else the key
// and the canonical name of a movie on two lines.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let [user, prefix, first] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let prefix = NamePrefix::try_from(String::from_utf8_lossy(prefix).into_owned()).ok();
    let filter = MovieFilter { name_prefix: prefix, added_by: (user == b"user").then_some(USER) };
    match lines.next() {
        None => check(&String::from_utf8_lossy(first), &filter),
        Some(name_key) => check_position(first, name_key, &filter),
    }
});

/// Checks any text.
fn check(text: &str, filter: &MovieFilter) {
    if let Some(cursor) = Cursor::decode(text, filter) {
        assert_eq!(cursor.encode(filter), text, "a cursor has one spelling");
    }
}

/// Checks the cursor of a position, which this target encodes itself.
fn check_position(key: &[u8], name_key: &[u8], filter: &MovieFilter) {
    let text = encoded(key, name_key, filter);
    let prefix = filter.name_prefix.as_ref().map_or("", NamePrefix::key);
    let is_position = (1..=2048).contains(&key.len())
        && (1..=1024).contains(&name_key.len())
        && str::from_utf8(key).is_ok()
        && str::from_utf8(name_key).is_ok_and(|name| name.starts_with(prefix));
    let cursor = Cursor::decode(&text, filter);
    assert_eq!(cursor.is_some(), is_position, "whether the list has the position");
    check(&text, filter);

    let Some(cursor) = cursor else { return };
    let other_user = if filter.added_by.is_some() { None } else { Some(USER) };
    let longer = format!("{prefix}{}", name_key.get(prefix.len()).map_or('x', |byte| char::from(*byte)));
    for other in [
        MovieFilter { added_by: other_user, ..filter.clone() },
        MovieFilter { added_by: filter.added_by.map(|_| Uuid::max()), ..filter.clone() },
        MovieFilter { name_prefix: NamePrefix::try_from(longer).ok(), ..filter.clone() },
        MovieFilter { name_prefix: None, ..filter.clone() },
    ] {
        if mark(&other) == mark(filter) {
            continue;
        }
        assert_eq!(Cursor::decode(&text, &other), None, "another list must refuse the cursor");
        assert_ne!(cursor.encode(&other), text, "another list must have another cursor");
    }
}

/// Returns the text of a cursor: base64url of a version, the key and the name, each prefixed with its length, the mark of
/// the filter, and a checksum.
fn encoded(key: &[u8], name_key: &[u8], filter: &MovieFilter) -> String {
    let mut bytes = vec![1];
    for part in [key, name_key] {
        bytes.extend(length(part.len()));
        bytes.extend(part);
    }
    bytes.extend(mark(filter));
    bytes.extend(crc32(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns what a cursor contains of a filter: the user's id and the length of the canonical prefix.
fn mark(filter: &MovieFilter) -> Vec<u8> {
    let mut mark = filter.added_by.map(|user| user.as_bytes().to_vec()).unwrap_or_default();
    if let Some(prefix) = &filter.name_prefix {
        mark.extend(length(prefix.key().len()));
    }
    mark
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

/// Returns the CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}
