//! Requests as clients send them.

use std::time::Duration;

use local::{fault_proxy::Gate, gateway::HttpRequest};
use serde_json::{Value, json};

/// A `POST` with a JSON body.
pub fn post(path: &str, body: &Value) -> HttpRequest {
    HttpRequest::new("POST", path).json(body)
}

/// A `PUT` with a JSON body.
pub fn put(path: &str, body: &Value) -> HttpRequest {
    HttpRequest::new("PUT", path).json(body)
}

/// A `GET`.
pub fn get(path: &str) -> HttpRequest {
    HttpRequest::new("GET", path)
}

/// A `DELETE`.
pub fn delete(path: &str) -> HttpRequest {
    HttpRequest::new("DELETE", path)
}

/// A path segment of this text and nothing but this text.
pub fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02x}"))
}

/// Waits until so many calls are held at a gate.
pub async fn reached(gate: &Gate, calls: usize) {
    let reached = tokio::time::timeout(Duration::from_mins(1), gate.reached_by(calls)).await;
    reached.unwrap_or_else(|_| panic!("less than {calls} calls came to the gate"));
}

/// A movie as a client sends one.
pub fn movie(name: &str) -> Value {
    json!({"name": name, "casts": ["Tim Robbins", "Morgan Freeman"], "genres": ["Drama"]})
}
