//! Claims of tokens that are signed with our key: each one missing, wrongly typed or out of its time.

use serde_json::json;

use super::{
    super::{LIFETIME_SECONDS, TokenFault},
    NOW, TOKEN_ID, USER, at, claims_with, good_token, header_with, keys, signed, verify, with_claims,
};

#[test]
fn every_claim_is_required_and_typed() {
    let names = ["sub", "epoch", "iat", "exp", "iss", "aud", "jti"];
    let claims = claims_with(&json!({}));
    assert_eq!(
        claims.as_object().expect("claims").len(),
        names.len(),
        "a claim is not in this test: {claims}"
    );
    let wrong = [json!(1.5), json!(true), json!([]), json!({}), json!("text"), json!("-1"), json!(-1.0)];
    for name in names {
        let token = with_claims(&json!({name: null}));
        assert_eq!(verify(&token), Err(TokenFault::Malformed), "no {name}");
        for value in &wrong {
            let token = with_claims(&json!({name: value}));
            assert!(verify(&token).is_err(), "{name} {value}");
        }
    }
    // A claim that is null is not the same as a missing one.
    let payload = claims_with(&json!({})).to_string().replace(&NOW.to_string(), "null");
    assert_eq!(verify(&signed(&header_with(&json!({})).to_string(), &payload)), Err(TokenFault::Malformed));
}

#[test]
fn claims_of_odd_shapes_are_refused() {
    for (changes, expected) in [
        (json!({"exp": 1_762_822_573.5}), TokenFault::Malformed),
        (json!({"exp": 1_762_822_573.0}), TokenFault::Malformed),
        (json!({"exp": "1762822573"}), TokenFault::Malformed),
        (json!({"exp": 9_223_372_036_854_775_808_u64}), TokenFault::Malformed),
        (json!({"exp": u64::MAX}), TokenFault::Malformed),
        (json!({"exp": i64::MIN}), TokenFault::Expired),
        (json!({"exp": -1}), TokenFault::Expired),
        (json!({"exp": 0}), TokenFault::Expired),
        (json!({"iat": i64::MAX}), TokenFault::NotYetValid),
        (json!({"iat": 9_223_372_036_854_775_808_u64}), TokenFault::Malformed),
        (json!({"nbf": i64::MAX}), TokenFault::NotYetValid),
        (json!({"nbf": "now"}), TokenFault::Malformed),
        (json!({"nbf": 1.5}), TokenFault::Malformed),
        (json!({"epoch": -1}), TokenFault::Malformed),
        (json!({"epoch": "3"}), TokenFault::Malformed),
        (json!({"sub": "ann@example.com"}), TokenFault::Malformed),
        (json!({"sub": ""}), TokenFault::Malformed),
        (json!({"aud": ["movie-bag"]}), TokenFault::Malformed),
        (json!({"aud": "other"}), TokenFault::NotOurs),
        (json!({"aud": ""}), TokenFault::NotOurs),
        (json!({"iss": "Movie-Bag"}), TokenFault::NotOurs),
        (json!({"iss": "other"}), TokenFault::NotOurs),
    ] {
        assert_eq!(verify(&with_claims(&changes)), Err(expected), "{changes}");
    }
    let list =
        serde_json::to_string(&json!([USER, 3, NOW, NOW + 60, NOW, "movie-bag", "movie-bag", TOKEN_ID]));
    let twice = claims_with(&json!({})).to_string().replacen('{', "{\"epoch\":3,", 1);
    for payload in ["", "null", "{}", "[]", "not JSON", &list.expect("JSON"), &twice] {
        let token = signed(&header_with(&json!({})).to_string(), payload);
        assert_eq!(verify(&token), Err(TokenFault::Malformed), "{payload}");
    }
}

#[test]
fn the_claims_of_a_token_with_a_bad_signature_are_not_read() {
    for changes in [
        json!({}),
        json!({"exp": NOW - 60}),
        json!({"iat": NOW + 60}),
        json!({"nbf": NOW + 60}),
        json!({"iss": "other"}),
        json!({"aud": "other"}),
        json!({"aud": ["movie-bag"]}),
        json!({"sub": "ann@example.com"}),
        json!({"sub": null}),
        json!({"epoch": -1}),
        json!({"epoch": null}),
        json!({"exp": "soon"}),
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"jti": "x"}),
        json!({"jti": null}),
    ] {
        let token = with_claims(&changes);
        let (signed, signature) = token.rsplit_once('.').expect("parts");
        // A different signature of the same length, and the signature of other claims.
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let tampered = format!("{signed}.{other}{}", &signature[1..]);
        assert_eq!(verify(&tampered), Err(TokenFault::Signature), "{changes}");
        let stranger = with_claims(&json!({"sub": TOKEN_ID}));
        let (_, elsewhere) = stranger.rsplit_once('.').expect("parts");
        assert_eq!(verify(&format!("{signed}.{elsewhere}")), Err(TokenFault::Signature), "{changes}");
    }
}

#[test]
fn clocks_may_differ_by_five_seconds() {
    for (changes, expected) in [
        (json!({"exp": NOW - 4}), Ok(())),
        (json!({"exp": NOW - 5}), Err(TokenFault::Expired)),
        (json!({"exp": NOW - 60}), Err(TokenFault::Expired)),
        (json!({"iat": NOW + 5}), Ok(())),
        (json!({"iat": NOW + 6}), Err(TokenFault::NotYetValid)),
        (json!({"nbf": NOW + 5}), Ok(())),
        (json!({"nbf": NOW + 6}), Err(TokenFault::NotYetValid)),
        (json!({"nbf": 0, "iat": NOW + 6}), Err(TokenFault::NotYetValid)),
    ] {
        assert_eq!(verify(&with_claims(&changes)).map(drop), expected, "{changes}");
    }
    let end = NOW + LIFETIME_SECONDS;
    assert!(keys().verify(&good_token(), at(end + 4)).is_ok());
    assert_eq!(keys().verify(&good_token(), at(end + 5)), Err(TokenFault::Expired));
}
