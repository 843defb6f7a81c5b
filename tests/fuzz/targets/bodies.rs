//! Checks that the operations accept only strict JSON with exactly the known members, and return documented errors for
//! everything else. The bodies are read as the functions read them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use shared::{
    http::{ApiError, Body, Request},
    model::{SubmittedEmail, SubmittedResetToken},
};
use unicode_normalization::UnicodeNormalization as _;

/// Includes the program of an operation, and defines `read`, which reads a body as its request type and returns the values as
/// JSON.
macro_rules! operation {
    ($module:ident, $file:literal, $type:ident, $request:ident => $meaning:expr) => {
        mod $module {
            #![expect(dead_code, reason = "only the type of the request is used")]

            include!(concat!(env!("OUT_DIR"), "/", $file, ".rs"));

            pub fn read(request: &Request) -> Result<serde_json::Value, shared::http::ApiError> {
                let $request: $type = http::body(request)?;
                Ok($meaning)
            }
        }
    };
}

operation!(signup, "signup", SignupRequest, request => serde_json::json!({
    "email": request.email.as_str(), "password": request.password.expose(),
}));
operation!(login, "login", LoginRequest, request => serde_json::json!({
    "email": request.email.canonical().as_str(), "password": request.password.expose(),
}));
operation!(change_password, "change-password", ChangePasswordRequest, request => serde_json::json!({
    "current_password": request.current_password.expose(), "new_password": request.new_password.expose(),
}));
operation!(forgot_password, "forgot-password", ForgotPasswordRequest, request => serde_json::json!({
    "email": request.email.as_str(),
}));
operation!(reset_password, "reset-password", ResetPasswordRequest, request => serde_json::json!({
    "reset_token": {"hash": request.reset_token.hash().map(|hash| hash.as_str().to_owned())}, "password": request.password.expose(),
}));
operation!(create_movie, "create-movie", CreateMovieRequest, request => serde_json::json!({
    "name": request.name.as_str(), "casts": request.casts.as_slice(), "genres": request.genres.as_slice(),
}));
operation!(update_movie, "update-movie", UpdateMovieRequest, request => {
    let name = request.name.map(|name| ("name".to_owned(), serde_json::Value::from(name.as_str())));
    let casts = request.casts.map(|casts| ("casts".to_owned(), casts.as_slice().into()));
    let genres = request.genres.map(|genres| ("genres".to_owned(), genres.as_slice().into()));
    name.into_iter().chain(casts).chain(genres).collect()
});

/// Reads a body, and returns it as JSON in the form in which the operation uses it.
type Read = fn(&Request) -> Result<Value, ApiError>;

/// The operations, with the members of their bodies.
const OPERATIONS: [(Read, &[&str]); 7] = [
    (signup::read, &["email", "password"]),
    (login::read, &["email", "password"]),
    (change_password::read, &["current_password", "new_password"]),
    (forgot_password::read, &["email"]),
    (reset_password::read, &["reset_token", "password"]),
    (create_movie::read, &["name", "casts", "genres"]),
    (update_movie::read, &["name", "casts", "genres"]),
];

fuzz_target!(|body: &[u8]| {
    let object = serde_json::from_slice::<Map<String, Value>>(body).ok();
    for (read, members) in OPERATIONS {
        let Ok(meaning) = verdict(read, body) else {
            if let Some(object) = &object {
                let _ = check_reserialized(read, object);
            }
            continue;
        };
        let object = object.as_ref().expect("accepted, but not a JSON object");
        assert!(
            object.keys().all(|name| members.contains(&name.as_str())),
            "an unknown member must be refused"
        );
        for (name, value) in object {
            assert_eq!(used(&meaning[name], name), used(value, name), "{name} is not used as it was sent");
        }
        assert_eq!(
            check_reserialized(read, object),
            Ok(meaning.clone()),
            "the spelling of JSON must not matter"
        );
        check_additions(read, body, object);
    }
});

/// Returns what a body means, or the code of its error, which must be a documented one.
fn verdict(read: Read, body: &[u8]) -> Result<Value, &'static str> {
    let request = fuzz::request([("content-type", b"application/json".as_slice())], body);
    read(&request).map_err(|error| {
        let (code, is_list) = (error.code(), matches!(error, ApiError::ValidationFailed(_)));
        let status = error.status().as_u16();
        let documented = [(400, "malformed_json"), (400, "validation_failed"), (413, "payload_too_large")];
        assert!(documented.contains(&(status, code)), "{status} {code}");
        assert_eq!(status == 413, body.len() > 64 * 1024, "the size of the body");
        let response = error.into_response("id");
        let Body::Text(text) = response.body() else { panic!("a text") };
        assert!(text.len() <= 16 * 1024, "a problem has {} bytes", text.len());
        let problem: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)));
        let faults = problem["errors"].as_array().map_or(0, Vec::len);
        assert_eq!((1..=50).contains(&faults), is_list, "{faults} faults");
        code
    })
}

/// Serializes an object again, and checks that the result is never malformed and that white space does not matter. Returns
/// what it means.
fn check_reserialized(read: Read, object: &Map<String, Value>) -> Result<Value, &'static str> {
    let verdicts = [serde_json::to_vec(object), serde_json::to_vec_pretty(object)]
        .map(|text| verdict(read, &text.expect("JSON")));
    for verdict in &verdicts {
        assert_ne!(verdict.as_ref().err(), Some(&"malformed_json"), "a JSON object must not be malformed");
    }
    let [compact, pretty] = verdicts;
    if pretty != Err("payload_too_large") {
        assert_eq!(compact, pretty, "white space must not matter");
    }
    compact
}

/// Checks that unknown members, repeated members and a second object are refused when they are added to an accepted body.
fn check_additions(read: Read, body: &[u8], object: &Map<String, Value>) {
    let start = body.iter().position(|byte| *byte == b'{').expect("an object") + 1;
    let with = |member: &str| [&body[..start], member.as_bytes(), b",", &body[start..]].concat();
    for unknown in ["", "_", "\\u0000", "Name", "id", "added_by"] {
        assert_eq!(
            verdict(read, &with(&format!("\"{unknown}\":1"))),
            Err("validation_failed"),
            "{unknown:?}"
        );
    }
    assert_eq!(verdict(read, &with("\"x\":{\"a\":1,\"a\":1}")), Err("malformed_json"), "a member within");
    for (name, value) in object {
        assert_eq!(
            verdict(read, &with(&format!("\"{name}\":{value}"))),
            Err("malformed_json"),
            "{name} twice"
        );
    }
    let after = [body, b"{}"].concat();
    assert_eq!(verdict(read, &after), Err("malformed_json"), "a second object");
}

/// Normalizes the value of a member, so that all spellings of it are equal.
fn used(value: &Value, name: &str) -> Value {
    match (name, value) {
        // A login compares the canonical form.
        ("email", Value::String(text)) => {
            let email = SubmittedEmail::try_from(text.clone()).expect("a short email");
            email.canonical().as_str().into()
        }
        ("name", Value::String(text)) => text.trim().nfc().collect::<String>().into(),
        ("casts" | "genres", Value::Array(texts)) => {
            texts.iter().map(|text| text.as_str().expect("a text in a list").trim()).collect()
        }
        // Not every text is a token, but every text is accepted and then refused as unknown.
        ("reset_token", Value::String(text)) => {
            let token = SubmittedResetToken::try_from(text.clone()).expect("a short text");
            json!({"hash": token.hash().map(|hash| hash.as_str().to_owned())})
        }
        _ => value.clone(),
    }
}
