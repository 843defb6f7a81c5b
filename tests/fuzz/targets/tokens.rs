//! Checks that the verification of access tokens accepts what this system issues, and nothing else. The target signs its
//! inputs, because the header and the claims would otherwise never be checked.

#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fuzz::now;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use shared::{
    auth::{TokenKey, TokenKeys},
    model::Session,
};
use uuid::Uuid;

const CURRENT: &str = "a current key of a fuzz target, not a secret";
const PREVIOUS: &str = "a previous key of a fuzz target, not a secret";
const UNKNOWN: &str = "an unknown key of a fuzz target, not a secret";

/// The accepted difference between two clocks, in seconds.
const SKEW: i128 = 5;

static KEYS: LazyLock<TokenKeys> = LazyLock::new(|| {
    let key = |secret| TokenKey::new(secret).expect("a strong key");
    TokenKeys::new(key(CURRENT), Some(key(PREVIOUS)))
});

// The lines of the input: a header, claims, and optionally `previous` or `unknown` for another key, or a text to use as the
// signature. A single line is a whole token.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let header = lines.next().unwrap_or_default();
    match lines.next() {
        Some(claims) => check(header, claims, lines.next().unwrap_or_default()),
        // No input contains a signature of these keys by chance.
        None => assert!(KEYS.verify(&String::from_utf8_lossy(header), now()).is_err(), "a foreign token"),
    }
});

fn check(header: &[u8], claims: &[u8], signer: &[u8]) {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let secret = match signer {
        b"" => CURRENT,
        b"previous" => PREVIOUS,
        b"unknown" => UNKNOWN,
        text => {
            let token = format!("{message}.{}", String::from_utf8_lossy(text));
            assert!(KEYS.verify(&token, now()).is_err(), "a foreign signature");
            return;
        }
    };
    let token = format!("{message}.{}", signature(&message, secret));
    let expected = expected(header, claims, secret);
    let verified = KEYS.verify(&token, now());
    let Some(expected) = expected else {
        assert!(verified.is_err(), "accepted, but this system does not issue it: {verified:?}");
        return;
    };
    let Ok(verified) = verified else {
        assert!(!is_refused_reserialized(header, claims, secret), "refused, but this system issues it");
        return;
    };
    let session = Session { user_id: verified.sub, epoch: verified.epoch, token_issued_at: verified.iat };
    assert_eq!(session, expected, "the claims");
    let age = i128::from(now().unix_seconds()) - i128::from(verified.iat);
    assert_eq!(session.began_recently(now()), age <= 600, "whether the session began recently");

    let again = KEYS.sign(&verified).expect("a token");
    assert_eq!(KEYS.verify(&again, now()), Ok(verified), "a token that is signed again");
    let (message, own) = again.rsplit_once('.').expect("three parts");
    assert_eq!(own, signature(message, CURRENT), "the current key signs");
    assert!(KEYS.verify(&format!("{message}.{}", signature(message, UNKNOWN)), now()).is_err());
}

/// The claims of a token, with values of any type. As in the library, other members are ignored.
#[derive(Deserialize)]
struct SentClaims {
    sub: Value,
    epoch: Value,
    iat: Value,
    exp: Value,
    #[serde(default)]
    nbf: Value,
    iss: Value,
    aud: Value,
    jti: Value,
}

/// Returns the session of a token that RFC 7519 and the rules of this system permit to be accepted.
fn expected(header: &[u8], claims: &[u8], secret: &str) -> Option<Session> {
    let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
    let header_fits = header.get("alg")? == "HS256"
        && header.get("typ")? == "JWT"
        && header.get("kid")?.as_str()? == key_id(secret)
        && secret != UNKNOWN
        && ["crit", "cty"].iter().all(|name| header.get(*name).is_none_or(Value::is_null));

    let claims: SentClaims = serde_json::from_slice(claims).ok()?;
    let (now, iat) = (i128::from(now().unix_seconds()), claims.iat.as_i64()?);
    let starts = if claims.nbf.is_null() { iat } else { iat.max(claims.nbf.as_i64()?) };
    let claims_fit = claims.iss == "movie-bag"
        && claims.aud == "movie-bag"
        && id(&claims.jti).is_some()
        && i128::from(starts) <= now + SKEW
        && now < i128::from(claims.exp.as_i64()?) + SKEW;
    (header_fits && claims_fit).then_some(Session {
        user_id: id(&claims.sub)?,
        epoch: claims.epoch.as_u64()?,
        token_issued_at: iat,
    })
}

fn id(value: &Value) -> Option<Uuid> {
    Uuid::parse_str(value.as_str()?).ok()
}

/// Returns whether a token with exactly the members that this system writes is refused even after it has been serialized
/// again. Returns `false` for other tokens, which may be refused: they can repeat a member, or have one that a standard
/// defines with another type.
fn is_refused_reserialized(header: &[u8], claims: &[u8], secret: &str) -> bool {
    let reserialized = |text: &[u8], names: &[&str]| {
        let object: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let has_names = object.len() == names.len() && names.iter().all(|name| object.contains_key(*name));
        has_names.then(|| URL_SAFE_NO_PAD.encode(Value::Object(object).to_string()))
    };
    let header = reserialized(header, &["alg", "kid", "typ"]);
    let claims = reserialized(claims, &["aud", "epoch", "exp", "iat", "iss", "jti", "sub"]);
    header.zip(claims).is_some_and(|(header, claims)| {
        let message = format!("{header}.{claims}");
        KEYS.verify(&format!("{message}.{}", signature(&message, secret)), now()).is_err()
    })
}

/// Returns the signature of HS256 (RFC 7518 section 3.2).
fn signature(message: &str, secret: &str) -> String {
    let hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    URL_SAFE_NO_PAD.encode(hmac.chain_update(message).finalize().into_bytes())
}

/// Returns the `kid` of a key.
fn key_id(secret: &str) -> String {
    let digest = Sha256::digest(format!("movie-bag kid\0{secret}"));
    URL_SAFE_NO_PAD.encode(&digest[..8])
}
