//! Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).
//!
//! The tag of a movie is its version in quotes. It is a strong tag: a response with a single movie is never compressed, so
//! a version has only one representation. The tag of a file of `api-docs` is weak, because the file can be compressed. A
//! header that is neither `*` nor a list of tags matches nothing.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use lambda_http::http::{HeaderName, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Request, parse_id};
use crate::model::VersionSet;

/// The value of `if-match` or `if-none-match`.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    /// `*`, which matches every existing resource.
    Any,
    /// The tags of a list, which may be empty.
    Tags(Vec<EntityTag>),
}

/// An entity tag.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityTag {
    is_weak: bool,
    text: String,
}

impl EntityTag {
    /// Returns the strong tag of a version.
    #[must_use]
    pub fn of_version(version: Uuid) -> Self {
        Self { is_weak: false, text: version.to_string() }
    }

    /// Returns the weak tag of some content, a part of its SHA-256: it stands for the content and for the compressed content.
    #[must_use]
    pub fn of_content(content: &[u8]) -> Self {
        let hash = Sha256::digest(content);
        Self { is_weak: true, text: URL_SAFE_NO_PAD.encode(&hash[..16]) }
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.text)
    }
}

/// Returns the versions that `if-match` permits a write to replace; `None` if it permits any. A weak tag permits none,
/// because tags are compared strongly (section 13.1.1).
pub fn if_match(request: &Request) -> Option<VersionSet> {
    match condition(request, &header::IF_MATCH)? {
        Condition::Any => None,
        Condition::Tags(tags) => {
            Some(tags.iter().filter(|tag| !tag.is_weak).filter_map(|tag| parse_id(&tag.text)).collect())
        }
    }
}

/// Returns whether `if-none-match` lists the tag, by weak comparison, or is `*` (section 13.1.2): the client needs no
/// response body.
pub fn if_none_match(request: &Request, current: &EntityTag) -> bool {
    match condition(request, &header::IF_NONE_MATCH) {
        None => false,
        Some(Condition::Any) => true,
        Some(Condition::Tags(tags)) => tags.iter().any(|tag| tag.text == current.text),
    }
}

/// Returns the condition in a header, if the request has the header.
fn condition(request: &Request, name: &HeaderName) -> Option<Condition> {
    let lines: Vec<&[u8]> = request.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| parse(&lines.join(&b',')).unwrap_or(Condition::Tags(Vec::new())))
}

/// Reads `*`, or a list of entity tags with optional white space and empty elements (section 5.6.1).
fn parse(value: &[u8]) -> Option<Condition> {
    let mut rest = value.trim_ascii();
    if rest == b"*" {
        return Some(Condition::Any);
    }
    let mut tags = Vec::new();
    loop {
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return Some(Condition::Tags(tags));
        }
        let (tag, after) = entity_tag(rest)?;
        tags.push(tag);
        rest = after.trim_ascii_start();
        if !matches!(rest, [] | [b',', ..]) {
            return None;
        }
    }
}

/// Reads the entity tag at the beginning, and returns it with what follows it. A tag can contain commas.
fn entity_tag(text: &[u8]) -> Option<(EntityTag, &[u8])> {
    let (is_weak, quoted) = match text.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let quoted = quoted.strip_prefix(b"\"")?;
    let length = quoted.iter().position(|byte| *byte == b'"')?;
    let (opaque, after) = (&quoted[..length], &quoted[length + 1..]);
    let is_valid = opaque.iter().all(|byte| matches!(byte, 0x21..=0x7e | 0x80..));
    // Other bytes are replaced by a character that no tag of this API has.
    let text = String::from_utf8_lossy(opaque).into_owned();
    is_valid.then_some((EntityTag { is_weak, text }, after))
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, http};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{EntityTag, Request, if_match, if_none_match};

    const VERSION: &str = "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";
    const OTHER: &str = "019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f";

    fn version() -> Uuid {
        Uuid::try_parse(VERSION).expect("an id")
    }

    fn request(lines: &[&[u8]]) -> Request {
        let mut request = http::Request::new(Body::Empty);
        for line in lines {
            let value = http::HeaderValue::from_bytes(line).expect("a header");
            request.headers_mut().append("if-match", value.clone());
            request.headers_mut().append("if-none-match", value);
        }
        request
    }

    /// Returns whether a header permits a write of the version, and whether it makes a read respond with 304.
    fn matches(lines: &[&[u8]]) -> (bool, bool) {
        let request = request(lines);
        let permits = if_match(&request).is_none_or(|versions| versions.contains(version()));
        (permits, if_none_match(&request, &EntityTag::of_version(version())))
    }

    #[test]
    fn a_request_without_the_header_has_no_condition() {
        assert_eq!(matches(&[]), (true, false));
    }

    #[test]
    fn a_listed_version_matches() {
        let tag = format!("\"{VERSION}\"");
        for list in [
            tag.clone(),
            format!("  {tag}\t"),
            format!("\"{OTHER}\", {tag}"),
            format!(",, {tag} ,\"x,y\","),
            format!("\"\",W/\"{VERSION}\",{tag}"),
            format!("\"a,b\",{tag}"),
        ] {
            assert_eq!(matches(&[list.as_bytes()]), (true, true), "{list}");
        }
        assert_eq!(matches(&[b"\"x\"", tag.as_bytes()]), (true, true), "several header lines are one list");
        let obscure = [b"\"\xff\",\"".as_slice(), VERSION.as_bytes(), b"\""].concat();
        assert_eq!(matches(&[&obscure]), (true, true), "a tag can have bytes from 0x80");
        assert_eq!(matches(&[b"*"]), (true, true));
        assert_eq!(matches(&[b" * "]), (true, true));
    }

    #[test]
    fn a_weak_tag_matches_only_a_read() {
        assert_eq!(matches(&[format!("W/\"{VERSION}\"").as_bytes()]), (false, true));
    }

    #[test]
    fn everything_else_matches_nothing() {
        for header in [
            String::new(),
            ",".to_owned(),
            VERSION.to_owned(),
            format!("\"{VERSION}"),
            format!("{VERSION}\""),
            format!("'{VERSION}'"),
            format!("w/\"{VERSION}\""),
            format!("W/ \"{VERSION}\""),
            format!("\"{}\"", VERSION.to_uppercase()),
            format!("\" {VERSION}\""),
            format!("\"{OTHER}\""),
            format!("\"{VERSION}\" \"{OTHER}\""),
            format!("\"{VERSION}\"; \"{OTHER}\""),
            format!("*, \"{VERSION}\""),
            format!("\"{VERSION}\", *"),
            format!("\"{VERSION}\", \"a b\""),
            "**".to_owned(),
            "\"*\"".to_owned(),
        ] {
            assert_eq!(matches(&[header.as_bytes()]), (false, false), "{header}");
        }
    }

    #[test]
    fn a_write_compares_at_most_50_versions() {
        let others = vec![format!("\"{OTHER}\""); 50].join(",");
        let list = format!("{others},\"{VERSION}\"");
        assert_eq!(matches(&[list.as_bytes()]), (false, true));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(mut header in proptest::collection::vec(0x20..=0xff_u8, 0..60)) {
            // DEL is the only one of these bytes that a header cannot have.
            header.retain(|byte| *byte != 0x7f);
            matches(&[&header]);
        }
    }
}
