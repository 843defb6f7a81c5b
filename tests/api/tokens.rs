//! Tokens: where they are read from, which are refused, and that every operation that needs one asks for it.

mod authorization_header;
pub mod every_operation;
mod forged;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use local::gateway::HttpResponse;
use serde_json::Value;

use crate::bag::TOKEN_KEY;

/// Asserts that a request was refused for its token, and how the client is told.
pub fn assert_refused(response: &HttpResponse, code: &str, why: &str) {
    let (body, challenge) = (response.json(), response.header("www-authenticate"));
    assert_eq!((response.status, &body["code"]), (401, &code.into()), "{why}: {body}");
    let (expected, detail) = match code {
        "missing_token" => ("Bearer", "A bearer token is required"),
        _ => ("Bearer error=\"invalid_token\"", "The token is not valid"),
    };
    assert_eq!((challenge, &body["detail"]), (Some(expected), &detail.into()), "{why}");
}

/// The token with changed header and claims (a null removes a member), signed with the functions' own key.
pub fn forge(token: &str, header: &Value, claims: &Value) -> String {
    forge_with(TOKEN_KEY, Algorithm::HS256, token, header, claims)
}

pub fn forge_with(key: &str, algorithm: Algorithm, token: &str, header: &Value, claims: &Value) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let message = format!("{}.{}", changed_part(parts[0], header), changed_part(parts[1], claims));
    let key = EncodingKey::from_secret(key.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).expect("a signature");
    format!("{message}.{signature}")
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

/// When the token was issued, which for a test is now.
pub fn issued(token: &str) -> i64 {
    decoded(token.split('.').nth(1).expect("claims"))["iat"].as_i64().expect("a time")
}
