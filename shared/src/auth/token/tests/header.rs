//! Headers of tokens: other algorithms, keys and parameters.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde_json::json;

use super::{
    super::{TokenFault, TokenKey},
    SECRET, claims_with, good_claims, header_with, key, signed, verify, with_header,
};

#[test]
fn no_algorithm_but_hs256_is_accepted() {
    let payload = claims_with(&json!({})).to_string();
    for name in ["none", "None", "NONE", "", "hs256", "RS256", "ES256", "PS256", "EdDSA", "HS384", "HS512"] {
        // Signed with our secret as if it were HS256: the attack that turns a public key into a secret in other systems.
        let token = signed(&header_with(&json!({"alg": name})).to_string(), &payload);
        let expected = [Err(TokenFault::Algorithm), Err(TokenFault::Malformed)];
        assert!(expected.contains(&verify(&token)), "{name}: {:?}", verify(&token));
        let unsigned = token.rsplit_once('.').expect("parts").0;
        assert!(verify(&format!("{unsigned}.")).is_err(), "{name}");
        assert!(verify(unsigned).is_err(), "{name}");
    }
    // The other HMAC algorithms are not implemented at all. `tests/api/tokens` forges tokens with them.
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert!(crypto::sign(b"", &key().signing, algorithm).is_err());
        assert!(crypto::verify("", b"", &key().verifying, algorithm).is_err());
    }
    // A public key is not accepted as a secret either.
    for public in [DecodingKey::from_rsa_der(SECRET.as_bytes()), DecodingKey::from_ec_der(SECRET.as_bytes())]
    {
        assert!(crypto::verify("", b"", &public, Algorithm::HS256).is_err());
    }
    assert_eq!(verify(&with_header(&json!({"alg": null}))), Err(TokenFault::Malformed));
    assert_eq!(verify(&with_header(&json!({"alg": ["HS256"]}))), Err(TokenFault::Malformed));
}

#[test]
fn an_unexpected_header_is_refused() {
    for (changes, expected) in [
        (json!({"typ": null}), TokenFault::Header),
        (json!({"typ": "at+jwt"}), TokenFault::Header),
        (json!({"typ": "jwt"}), TokenFault::Header),
        (json!({"typ": ""}), TokenFault::Header),
        (json!({"typ": 1}), TokenFault::Malformed),
        (json!({"cty": "JWT"}), TokenFault::Header),
        (json!({"crit": []}), TokenFault::Header),
        (json!({"crit": ["exp"]}), TokenFault::Header),
        (json!({"crit": ["b64"], "b64": false}), TokenFault::Header),
        (json!({"crit": "exp"}), TokenFault::Malformed),
        (json!({"kid": null}), TokenFault::UnknownKey),
        (json!({"kid": ""}), TokenFault::UnknownKey),
        (json!({"kid": "../../dev/null"}), TokenFault::UnknownKey),
        (json!({"kid": 1}), TokenFault::Malformed),
    ] {
        assert_eq!(verify(&with_header(&changes)), Err(expected), "{changes}");
    }
    for header in ["", "null", "[]", "\"HS256\"", "{", r#"{"alg":"HS256","alg":"none"}"#] {
        let token = signed(header, &claims_with(&json!({})).to_string());
        assert_eq!(verify(&token), Err(TokenFault::Malformed), "{header}");
    }
}

#[test]
fn a_key_in_the_header_is_never_used() {
    let jwk = json!({"kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode("x".repeat(32))});
    for pointer in [
        json!({"jku": "https://127.0.0.1:1/keys.json"}),
        json!({"x5u": "https://127.0.0.1:1/certificate.pem"}),
        json!({"x5c": ["AAAA"]}),
        json!({"jwk": jwk}),
    ] {
        // The check ignores these members: a valid token stays valid, and an invalid one invalid.
        assert_eq!(verify(&with_header(&pointer)), Ok(good_claims()), "{pointer}");
        let message = with_header(&pointer);
        let message = message.rsplit_once('.').expect("parts").0;
        let theirs = EncodingKey::from_secret("x".repeat(32).as_bytes());
        let signature = crypto::sign(message.as_bytes(), &theirs, Algorithm::HS256).expect("a signature");
        assert_eq!(verify(&format!("{message}.{signature}")), Err(TokenFault::Signature), "{pointer}");
    }
}

#[test]
fn a_token_of_another_key_is_refused() {
    let other = TokenKey::new("another key of tests that is long enough").expect("a good key");
    assert_ne!(other.id, key().id);
    let token = other.sign(&good_claims()).expect("a token");
    assert_eq!(verify(&token), Err(TokenFault::UnknownKey));
    let pretending = TokenKey { id: key().id, ..other };
    let token = pretending.sign(&good_claims()).expect("a token");
    assert_eq!(verify(&token), Err(TokenFault::Signature));
}
