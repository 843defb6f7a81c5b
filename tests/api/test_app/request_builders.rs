//! Requests as clients send them.

use local::gateway::HttpRequest;
use serde_json::{Value, json};

/// Returns a `POST` with a JSON body.
pub fn post(path: &str, body: &Value) -> HttpRequest {
    HttpRequest::new("POST", path).json(body)
}

/// Returns a `PUT` with a JSON body.
pub fn put(path: &str, body: &Value) -> HttpRequest {
    HttpRequest::new("PUT", path).json(body)
}

/// Returns a `GET`.
pub fn get(path: &str) -> HttpRequest {
    HttpRequest::new("GET", path)
}

/// Returns a `DELETE`.
pub fn delete(path: &str) -> HttpRequest {
    HttpRequest::new("DELETE", path)
}

/// Returns a path segment in which every byte of the text is escaped.
pub fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02x}"))
}

/// Returns the path of a movie that the API returned.
pub fn movie_path(movie: &Value) -> String {
    format!("/api/movies/{}", movie["id"].as_str().expect("an id"))
}

/// Returns the partition key of a movie that the API returned.
pub fn movie_key(movie: &Value) -> String {
    format!("movie#{}", movie["id"].as_str().expect("an id"))
}

/// Returns a movie as a client sends one.
pub fn movie(name: &str) -> Value {
    json!({"name": name, "casts": ["Tim Robbins", "Morgan Freeman"], "genres": ["Drama"]})
}
