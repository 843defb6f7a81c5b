//! Tokens: where they are read from, which ones are refused, and that every protected operation checks them.

mod authorization_header;
pub mod every_operation;
mod forged;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use local::gateway::HttpResponse;
use serde_json::Value;
use sha2::{Sha256, Sha384, Sha512};

use crate::test_app::TOKEN_KEY;

/// The algorithms that a forger who knows the key can sign with (RFC 7518 section 3.2).
#[derive(Clone, Copy)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
}

/// Panics unless a request was refused because of its token, with the right challenge.
pub fn assert_refused(response: &HttpResponse, code: &str, why: &str) {
    let (body, challenge) = (response.json(), response.header("www-authenticate"));
    assert_eq!((response.status, &body["code"]), (401, &code.into()), "{why}: {body}");
    let (expected, detail) = match code {
        "missing_token" => ("Bearer realm=\"movie-bag\"", "A bearer token is required"),
        _ => ("Bearer realm=\"movie-bag\", error=\"invalid_token\"", "The token is not valid"),
    };
    assert_eq!((challenge, &body["detail"]), (Some(expected), &detail.into()), "{why}");
}

/// Returns the token with other members of the header and the claims (null removes a member), signed with the
/// functions' key.
pub fn forge(token: &str, header: &Value, claims: &Value) -> String {
    forge_with(TOKEN_KEY, Algorithm::Hs256, token, header, claims)
}

pub fn forge_with(key: &str, algorithm: Algorithm, token: &str, header: &Value, claims: &Value) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let message = format!("{}.{}", changed_part(parts[0], header), changed_part(parts[1], claims));
    let sign = match algorithm {
        Algorithm::Hs256 => signature::<Hmac<Sha256>>,
        Algorithm::Hs384 => signature::<Hmac<Sha384>>,
        Algorithm::Hs512 => signature::<Hmac<Sha512>>,
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(key, &message)))
}

fn signature<M: Mac + KeyInit>(key: &str, message: &str) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key.as_bytes()).expect("a key");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

fn changed_part(part: &str, changes: &Value) -> String {
    let mut part = decoded(part);
    for (name, value) in changes.as_object().expect("an object") {
        part[name] = value.clone();
    }
    part.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    URL_SAFE_NO_PAD.encode(part.to_string())
}

pub fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// Returns the time at which the token was issued, in seconds since 1970.
pub fn issued(token: &str) -> i64 {
    decoded(token.split('.').nth(1).expect("claims"))["iat"].as_i64().expect("a time")
}
