//! Checks that a reset token has one encoding, and that every other text is refused.

#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};
use shared::model::{ResetToken, SubmittedResetToken};

/// The alphabet of base64url (RFC 4648 section 5).
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        check(text);
    }
    // Any 32 bytes are a token.
    let digest: [u8; 32] = Sha256::digest(data).into();
    check(&ResetToken::new(digest).expose());
});

fn check(text: &str) {
    let submitted = SubmittedResetToken::try_from(text.to_owned());
    assert_eq!(submitted.is_ok(), text.len() <= 1024, "whether the text is checked");
    let Ok(submitted) = submitted else { return };
    let hash = submitted.hash();
    let Some(random) = decoded(text) else {
        assert_eq!(hash, None, "the text is no token");
        return;
    };
    let token = ResetToken::new(random);
    assert_eq!(token.expose(), text, "the token is written as it was read");
    assert_eq!(hash.as_ref(), Some(&token.hash()), "the hash depends on the bytes only");
    let expected = URL_SAFE_NO_PAD.encode(Sha256::digest(random));
    assert_eq!(token.hash().as_str(), expected, "the hash is SHA-256");
}

/// Returns the 32 bytes that 43 characters of base64url stand for, if the two bits that are left over are 0.
fn decoded(text: &str) -> Option<[u8; 32]> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in text.chars() {
        let value = ALPHABET.find(character)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (text.len() == 43 && bits == 0).then(|| bytes.try_into().ok())?
}
