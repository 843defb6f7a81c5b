//! Checks how `if-match` and `if-none-match` are read: the grammar of RFC 9110, section 8.8.3, and the comparisons of section
//! 13.

#![no_main]

use fuzz::{VERSION, request};
use libfuzzer_sys::fuzz_target;
use shared::http::{EntityTag, if_match, if_none_match};
use uuid::Uuid;

/// The most versions that `if-match` can list. Others are ignored.
const MAX_VERSIONS: usize = 50;

// Each line of the input is a header line.
fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').filter(|line| is_header_value(line)).collect();
    check(&lines);
});

fn check(lines: &[&[u8]]) {
    let headers = lines.iter().flat_map(|line| [("if-match", *line), ("if-none-match", *line)]);
    let request = request(headers, b"");
    let current = EntityTag::of_version(VERSION);
    let (permitted, not_modified) = (if_match(&request), if_none_match(&request, &current));

    let expected = expected(&lines.join(&b','));
    if lines.is_empty() {
        assert_eq!((permitted, not_modified), (None, false), "there is no condition");
        return;
    }
    let Expected::Tags(tags) = expected else {
        assert_eq!((permitted, not_modified), (None, true), "any version matches");
        return;
    };
    let strong = tags.iter().filter(|tag| !tag.is_weak).filter_map(|tag| version(&tag.opaque));
    let expected: Vec<Uuid> = strong.take(MAX_VERSIONS).collect();
    let permitted = permitted.expect("the write has a condition");
    assert_eq!(permitted.iter().collect::<Vec<_>>(), expected, "if-match compares strongly");
    assert_eq!(permitted.contains(VERSION), expected.contains(&VERSION));
    let listed = tags.iter().any(|tag| version(&tag.opaque) == Some(VERSION));
    assert_eq!(not_modified, listed, "if-none-match compares weakly");

    // A tag means the same in a header of its own.
    for tag in &tags {
        let text = [if tag.is_weak { b"W/\"".as_slice() } else { b"\"" }, &tag.opaque, b"\""].concat();
        let alone = fuzz::request([("if-none-match", text.as_slice())], b"");
        assert_eq!(if_none_match(&alone, &current), version(&tag.opaque) == Some(VERSION));
    }
}

/// A condition as the grammar defines it. A header that does not follow the grammar lists nothing.
enum Expected {
    Any,
    Tags(Vec<Tag>),
}

struct Tag {
    is_weak: bool,
    opaque: Vec<u8>,
}

fn expected(value: &[u8]) -> Expected {
    if trimmed(value) == b"*" {
        return Expected::Any;
    }
    let elements = elements(value).into_iter().map(trimmed).filter(|element| !element.is_empty());
    Expected::Tags(elements.map(tag).collect::<Option<_>>().unwrap_or_default())
}

/// Splits a list at the commas that are not in quotes.
fn elements(value: &[u8]) -> Vec<&[u8]> {
    let mut is_quoted = false;
    value
        .split(|byte| {
            is_quoted ^= *byte == b'"';
            *byte == b',' && !is_quoted
        })
        .collect()
}

/// Reads `[ "W/" ] DQUOTE *etagc DQUOTE`.
fn tag(element: &[u8]) -> Option<Tag> {
    let is_weak = element.starts_with(b"W/");
    let quoted = if is_weak { &element[2..] } else { element };
    let [b'"', opaque @ .., b'"'] = quoted else { return None };
    let is_valid = opaque.iter().all(|byte| *byte > b' ' && *byte != b'"' && *byte != 0x7f);
    is_valid.then(|| Tag { is_weak, opaque: opaque.to_vec() })
}

/// Removes optional white space (RFC 9110 section 5.6.3).
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Returns the version that a tag of this API names: a version 7 UUID in lower case with hyphens.
fn version(opaque: &[u8]) -> Option<Uuid> {
    let has_shape = opaque.len() == 36
        && opaque.iter().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            19 => b"89ab".contains(byte),
            _ => b"0123456789abcdef".contains(byte),
        });
    let digits: String = opaque.iter().filter(|byte| **byte != b'-').map(|byte| char::from(*byte)).collect();
    has_shape.then(|| u128::from_str_radix(&digits, 16).ok().map(Uuid::from_u128))?
}

/// Returns whether HTTP allows a value: visible characters, spaces, tabs and bytes from 0x80 (RFC 9110 section 5.5).
fn is_header_value(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..))
}
