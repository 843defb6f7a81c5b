//! Assertions about responses.

use std::io::Read as _;

use flate2::read::GzDecoder;
use local::gateway::HttpResponse;
use serde_json::{Value, json};

/// Returns a response with its body as the client reads it: decompressed, if its header says that it is compressed.
pub fn decompressed(response: &HttpResponse) -> HttpResponse {
    let mut response = response.clone();
    if let Some(encoding) = response.header("content-encoding") {
        assert_eq!(encoding, "gzip");
        let compressed = response.binary.take().expect("a compressed body");
        response.body.clear();
        GzDecoder::new(&compressed[..])
            .read_to_string(&mut response.body)
            .expect("text, compressed with gzip");
    }
    response
}

/// Returns a complete response, for snapshots.
pub fn response_snapshot(response: &HttpResponse) -> Value {
    json!({"status": response.status, "headers": response.headers, "body": response.json()})
}

/// Returns the status and the code of an error.
pub fn status_and_code(response: &HttpResponse) -> (u16, String) {
    (response.status, response.json()["code"].as_str().unwrap_or_default().to_owned())
}

/// Returns the token in a response.
pub fn token(response: &HttpResponse) -> String {
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {}", response.body)).to_owned()
}

/// Panics unless the response is this error.
#[track_caller]
pub fn expect_problem(response: &HttpResponse, status: u16, code: &str) {
    assert_eq!(status_and_code(response), (status, code.to_owned()), "{}", response.body);
}

/// Panics unless the response names exactly these fields, each with this message.
#[track_caller]
pub fn expect_faults(response: &HttpResponse, expected: &[(&str, &str)]) {
    expect_problem(response, 400, "validation_failed");
    let expected: Vec<Value> =
        expected.iter().map(|(field, message)| json!({"field": field, "message": message})).collect();
    assert_eq!(response.json()["errors"], json!(expected));
}
