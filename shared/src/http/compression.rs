//! Compressed responses.
//!
//! Only the list and the files of `api-docs` use this. The other responses are small, and a response with a strong `etag`
//! must not be compressed: the tag would stand for two different bodies (RFC 9110 section 8.8.1).

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use lambda_http::http::{HeaderMap, HeaderValue, header};

use super::{ApiError, Body, HandlerResult, Request, Response, with_header};

/// The size in bytes below which a body is sent as it is. A response that fits into one packet arrives no sooner if it is
/// smaller.
const MIN_BYTES: usize = 1024;

/// Higher levels save two percent at most, and take up to seconds for a page of texts that are hard to compress.
/// `docs/PERFORMANCE.md` has the figures.
const LEVEL: Compression = Compression::new(5);

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// The weight of a coding without `q`, in thousandths.
const FULL_WEIGHT: u16 = 1000;

/// The encoding of a response that suits a client best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Plain,
    /// Gzip if the body is large enough.
    Gzip,
    /// Gzip in any case, because the client refuses a plain body.
    OnlyGzip,
}

/// Compresses the body of a response with gzip if the client accepts that and the body has at least 1 KiB. In any case,
/// tells caches that the response depends on `accept-encoding`.
pub fn compressed(request: &Request, response: Response<Body>) -> HandlerResult {
    let mut response = with_header(response, header::VARY, header::ACCEPT_ENCODING.as_str())?;
    let compress = match choice(request.headers()) {
        Choice::Plain => false,
        Choice::Gzip => response.body().len() >= MIN_BYTES,
        Choice::OnlyGzip => true,
    };
    if compress {
        let bytes = gzip(response.body()).map_err(|error| ApiError::Internal(error.into()))?;
        *response.body_mut() = Body::Binary(bytes);
        response.headers_mut().insert(header::CONTENT_ENCODING, GZIP);
    }
    Ok(response)
}

/// Decompresses the body of a response, a text that is compressed with gzip, unless the client accepts gzip. In any case,
/// tells caches that the response depends on `accept-encoding`.
pub fn decompressed(request: &Request, response: Response<Body>) -> HandlerResult {
    let mut response = with_header(response, header::VARY, header::ACCEPT_ENCODING.as_str())?;
    if choice(request.headers()) == Choice::Plain {
        let mut text = String::new();
        let read = GzDecoder::new(response.body().as_ref()).read_to_string(&mut text);
        read.map_err(|error| ApiError::Internal(error.into()))?;
        *response.body_mut() = Body::Text(text);
    } else {
        response.headers_mut().insert(header::CONTENT_ENCODING, GZIP);
    }
    Ok(response)
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), LEVEL);
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Chooses by the header `accept-encoding` (RFC 9110 section 12.5.3). Without this header, a client may understand nothing
/// but a plain body. So it gets one as well if the header is malformed, or if it refuses every encoding.
fn choice(headers: &HeaderMap) -> Choice {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for (coding, weight) in lines.flat_map(|line| line.split(',')).filter_map(coding) {
        let named = match coding.to_ascii_lowercase().as_str() {
            // The two are equivalent (RFC 9110 section 8.4.1.3).
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut any,
            _ => continue,
        };
        // A coding that is refused once is refused.
        *named = Some(named.map_or(weight, |earlier: u16| earlier.min(weight)));
    }
    // `*` stands for each coding that is not named.
    match (gzip.or(any).unwrap_or(0), identity.or(any)) {
        (0, _) => Choice::Plain,
        (_, Some(0)) => Choice::OnlyGzip,
        (gzip, Some(identity)) if identity > gzip => Choice::Plain,
        _ => Choice::Gzip,
    }
}

/// Reads a coding with its weight in thousandths; `None` if either is malformed.
fn coding(member: &str) -> Option<(&str, u16)> {
    let Some((coding, weight)) = member.split_once(';') else { return Some((trim(member), FULL_WEIGHT)) };
    let (name, value) = trim(weight).split_once('=')?;
    if !name.eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = decimals.bytes().chain([b'0'; 3]).take(3);
    let thousandths = digits.fold(0, |value, digit| 10 * value + u16::from(digit - b'0'));
    match (whole, thousandths) {
        ("0", thousandths) => Some((trim(coding), thousandths)),
        ("1", 0) => Some((trim(coding), FULL_WEIGHT)),
        _ => None,
    }
}

/// Removes the white space that may surround the parts of a header.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
