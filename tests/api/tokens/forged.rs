//! Tokens that this system did not issue, sent to a real function. The unit tests of `shared::auth::token` cover every
//! fault by itself. These tests show that functions use that check.

use std::{io::ErrorKind, net::TcpListener};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Algorithm, assert_refused, forge, forge_with, issued};
use crate::test_app::{TOKEN_KEY, TestApp, movie, post};

#[tokio::test]
async fn a_forged_token_is_refused_and_the_log_says_why() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let (token, none) = (ann.token.as_str(), json!({}));
    let now = issued(token);
    let before = app.table_contents();
    let with_header = |changes: Value| forge(token, &changes, &none);
    let with_claims = |changes: Value| forge(token, &none, &changes);
    let by = |key: &str, algorithm, header: Value| forge_with(key, algorithm, token, &header, &none);
    let unsigned = with_header(json!({"alg": "none"}));
    let unsigned = unsigned.rsplit_once('.').expect("parts").0;
    let other_key = "another key, which is long enough to be one";
    let parts: Vec<&str> = token.split('.').collect();
    let cases = [
        (format!("{unsigned}."), "malformed"),
        (unsigned.to_owned(), "malformed"),
        (with_header(json!({"alg": "none"})), "malformed"),
        (by(TOKEN_KEY, Algorithm::Hs384, json!({"alg": "HS384"})), "algorithm"),
        (by(TOKEN_KEY, Algorithm::Hs512, json!({"alg": "HS512"})), "algorithm"),
        (with_header(json!({"alg": "RS256"})), "algorithm"),
        (by(other_key, Algorithm::Hs256, json!({})), "signature"),
        (by("", Algorithm::Hs256, json!({})), "signature"),
        (format!("{}.{}.", parts[0], parts[1]), "signature"),
        (format!("{}.{}.{}", parts[0], parts[1], "A".repeat(43)), "signature"),
        (format!("{token}A"), "signature"),
        (format!("{token}."), "malformed"),
        (format!("{}.{}", parts[0], parts[1]), "malformed"),
        (with_header(json!({"kid": null})), "unknown_key"),
        (with_header(json!({"kid": "AAAAAAAAAAA"})), "unknown_key"),
        (with_header(json!({"typ": null})), "header"),
        (with_header(json!({"typ": "at+jwt"})), "header"),
        (with_header(json!({"crit": ["b64"], "b64": false})), "header"),
        (with_claims(json!({"sub": null})), "malformed"),
        (with_claims(json!({"epoch": null})), "malformed"),
        (with_claims(json!({"iat": null})), "malformed"),
        (with_claims(json!({"exp": null})), "malformed"),
        (with_claims(json!({"iss": null})), "malformed"),
        (with_claims(json!({"aud": null})), "malformed"),
        (with_claims(json!({"jti": null})), "malformed"),
        (with_claims(json!({"aud": ["movie-bag"]})), "malformed"),
        (with_claims(json!({"exp": 9_223_372_036_854_775_808_u64})), "malformed"),
        (with_claims(json!({"exp": 4_102_444_800.5})), "malformed"),
        (with_claims(json!({"iss": "other"})), "not_ours"),
        (with_claims(json!({"aud": "other"})), "not_ours"),
        (with_claims(json!({"exp": now - 60})), "expired"),
        (with_claims(json!({"iat": now + 3600})), "not_yet_valid"),
        (with_claims(json!({"nbf": now + 3600})), "not_yet_valid"),
        (with_claims(json!({"epoch": 1})), "revoked"),
        (with_claims(json!({"sub": Uuid::from_u128(7)})), "user_gone"),
    ];
    for (forged, reason) in cases {
        let response = app.send(post("/api/movies", &movie("Heat")).bearer(&forged)).await;
        assert_refused(&response, "invalid_token", &forged);
        let line = app.wait_for_log(response.json()["request_id"].as_str().expect("an id")).await;
        assert!(line.contains(&format!("reason={reason}")), "{reason} expected: {line}");
        // Claims are logged only if the signature and the times are valid.
        let known = ["revoked", "user_gone"].contains(&reason);
        assert_eq!(line.contains("user_id"), known, "{line}");
    }
    assert_eq!(app.table_contents(), before);
    // Without changes, the forged token is valid: the helper changes nothing else.
    let response = app.send(post("/api/movies", &movie("Heat")).bearer(&forge(token, &none, &none))).await;
    assert_eq!(response.status, 200, "{}", response.body);
}

#[tokio::test]
async fn a_key_that_a_token_points_to_is_never_fetched() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener that does not wait");
    let address = format!("http://{}/keys.json", listener.local_addr().expect("an address"));
    let theirs = "the attacker's own key, which is long enough";
    for pointer in [
        json!({"jku": address}),
        json!({"jku": address, "kid": null}),
        json!({"jku": address, "kid": "theirs"}),
        json!({"x5u": address}),
        json!({"x5c": ["AAAA"]}),
        json!({"jwk": {"kty": "oct", "alg": "HS256", "k": "dGhlIGF0dGFja2VyJ3Mgb3duIGtleSwgd2hpY2ggaXMgbG9uZyBlbm91Z2g"}}),
    ] {
        let forged = forge_with(theirs, Algorithm::Hs256, &ann.token, &pointer, &json!({}));
        let response = app.send(post("/api/movies", &movie("Heat")).bearer(&forged)).await;
        assert_refused(&response, "invalid_token", &pointer.to_string());
    }
    assert_eq!(app.table_contents(), before);
    let connection = listener.accept().expect_err("no function fetches a key");
    assert_eq!(connection.kind(), ErrorKind::WouldBlock);
}
