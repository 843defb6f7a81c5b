//! Tokens that an attacker or a bug could produce. Those that are signed with our key show that each rule holds by itself,
//! and not only because the signature is wrong.

mod claims;
mod header;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::{Claims, LIFETIME_SECONDS, TokenFault, TokenKey, TokenKeys, WeakKey, hs256};
use crate::model::Timestamp;

const SECRET: &str = "a key of tests that is long enough";
const NOW: i64 = 1_762_217_773;
const USER: Uuid = uuid!("019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f");
const TOKEN_ID: Uuid = uuid!("019a4c5d-4b00-7d13-9c55-e1f2a3b4c5d6");

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_milliseconds(seconds * 1000).expect("a time")
}

fn key() -> TokenKey {
    TokenKey::new(SECRET).expect("a good key")
}

fn keys() -> TokenKeys {
    TokenKeys::new(key(), None)
}

fn verify(token: &str) -> Result<Claims, TokenFault> {
    keys().verify(token, at(NOW))
}

fn good_claims() -> Claims {
    Claims::new(USER, 3, TOKEN_ID, at(NOW))
}

fn good_token() -> String {
    key().sign(&good_claims()).expect("a token")
}

/// Returns the header of a valid token with these members set, or removed if they are null.
fn header_with(changes: &Value) -> Value {
    changed(json!({"typ": "JWT", "alg": "HS256", "kid": key().id}), changes)
}

/// Returns the claims of a valid token with these members set, or removed if they are null.
fn claims_with(changes: &Value) -> Value {
    changed(serde_json::to_value(good_claims()).expect("claims"), changes)
}

fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        object[name] = value.clone();
    }
    object.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    object
}

/// Returns a token with any header and any payload, signed with our key.
fn signed(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(message.as_bytes(), &key().signing, Algorithm::HS256).expect("a signature");
    format!("{message}.{signature}")
}

fn with_header(changes: &Value) -> String {
    signed(&header_with(changes).to_string(), &claims_with(&json!({})).to_string())
}

fn with_claims(changes: &Value) -> String {
    signed(&header_with(&json!({})).to_string(), &claims_with(changes).to_string())
}

#[test]
fn a_token_contains_the_signed_claims() {
    assert_eq!(verify(&good_token()), Ok(good_claims()));
    assert_eq!(verify(&with_claims(&json!({}))), Ok(good_claims()));
    assert_eq!(good_claims().exp - good_claims().iat, LIFETIME_SECONDS);
}

#[test]
fn another_implementation_makes_the_same_token() {
    // Made with Python's hmac and base64 modules.
    assert_eq!(
        good_token(),
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6ImgzOENtLVV3SFhjIn0.eyJzdWIiOiIwMTlhNGM1ZC0xZjIwLTdlNGItOGE5N\
         i0zYzdkNTJlMGIxOGYiLCJlcG9jaCI6MywiaWF0IjoxNzYyMjE3NzczLCJleHAiOjE3NjI4MjI1NzMsImlzcyI6Im1vdmllLWJhZyIsImF\
         1ZCI6Im1vdmllLWJhZyIsImp0aSI6IjAxOWE0YzVkLTRiMDAtN2QxMy05YzU1LWUxZjJhM2I0YzVkNiJ9.tSZkw6q1lzNxMVLxHvOSYYYa\
         HmNJq6AzeteYMyA7gno"
    );
}

#[test]
fn the_signature_covers_the_received_bytes() {
    // The example of RFC 7515 appendix A.1.
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let published = DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret).expect("a key"));
    // The header contains a line break, which another serialization of the same JSON would not have.
    let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                   Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    hs256::install();
    let fits = |message: &str| crypto::verify(signature, message.as_bytes(), &published, Algorithm::HS256);
    assert!(fits(message).expect("a signature"));
    assert!(!fits(&message.replace("DQog", "DQof")).expect("a signature"));

    // The same in a complete check: a token with unusual spacing is accepted if the signature covers its bytes.
    let spaced = format!("{{ \"kid\" :\r\n \"{}\", \"alg\":\"HS256\",\"typ\":\"JWT\" }}", key().id);
    let payload = format!(" {:#}\r\n", claims_with(&json!({})));
    assert_eq!(verify(&signed(&spaced, &payload)), Ok(good_claims()));
}

#[test]
fn a_change_of_any_bit_is_detected() {
    let token = good_token();
    for position in 0..token.len() * 8 {
        let mut bytes = token.clone().into_bytes();
        bytes[position / 8] ^= 1 << (position % 8);
        // A header value that is not text does not reach this check.
        let Ok(tampered) = String::from_utf8(bytes) else { continue };
        assert!(verify(&tampered).is_err(), "bit {position}: {tampered}");
    }
    for length in 0..token.len() {
        assert!(verify(&token[..length]).is_err(), "{length} bytes");
    }
    for longer in [format!("{token}A"), format!("{token}="), format!("{token}."), format!(".{token}")] {
        assert!(verify(&longer).is_err(), "{longer}");
    }
}

#[test]
fn parts_of_two_tokens_do_not_make_a_third_one() {
    let other = key().sign(&Claims::new(TOKEN_ID, 3, USER, at(NOW))).expect("a token");
    let (first, second) = (good_token(), other);
    let (header, rest) = first.split_once('.').expect("parts");
    let (_, signature) = rest.split_once('.').expect("parts");
    let payload = second.split('.').nth(1).expect("parts");
    assert_eq!(verify(&format!("{header}.{payload}.{signature}")), Err(TokenFault::Signature));
    assert_eq!(verify(&format!("{header}.{payload}.")), Err(TokenFault::Signature));
}

#[test]
fn weak_keys_are_refused_and_no_key_is_shown() {
    assert_eq!(TokenKey::new(&"k".repeat(31)).expect_err("short"), WeakKey::TooShort);
    assert_eq!(TokenKey::new("").expect_err("empty"), WeakKey::TooShort);
    assert_eq!(TokenKey::new("t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss").expect_err("published"), WeakKey::Published);
    assert!(TokenKey::new(&"k".repeat(32)).is_ok());
    assert_eq!(format!("{:?}", key()), "TokenKey(h38Cm-UwHXc)");
}

proptest! {
    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in "\\PC{0,200}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn three_arbitrary_parts_are_refused(parts in "[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_-]{43}") {
        prop_assert!(verify(&parts).is_err());
    }

    #[test]
    fn signed_arbitrary_text_is_refused_without_a_panic(header in "\\PC{0,60}", payload in "\\PC{0,60}") {
        prop_assert!(verify(&signed(&header, &payload)).is_err());
        let good_header = header_with(&json!({})).to_string();
        prop_assert!(verify(&signed(&good_header, &payload)).is_err());
    }

    #[test]
    fn all_combinations_of_times_are_checked(
        exp in NOW - 10..NOW + 10, iat in NOW - 10..NOW + 10, nbf in NOW - 10..NOW + 10,
    ) {
        let expected = exp > NOW - 5 && iat <= NOW + 5 && nbf <= NOW + 5;
        let token = with_claims(&json!({"exp": exp, "iat": iat, "nbf": nbf}));
        prop_assert_eq!(verify(&token).is_ok(), expected);
    }
}
