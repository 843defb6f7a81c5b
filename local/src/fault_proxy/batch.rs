//! A `BatchGetItem` of which only some keys are processed.

use anyhow::Result;
use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use serde_json::{Map, Value, json};

use super::response;

/// A `BatchGetItem` in two parts.
#[derive(Debug)]
pub struct Split {
    /// The body of the request for the keys that are processed.
    pub request: Bytes,
    unprocessed: Value,
}

impl Split {
    /// Splits a request into the keys that are processed and the others. `processed` has one value for each key, in the
    /// order of the tables and their keys.
    pub fn new(body: &Value, processed: &[bool]) -> Self {
        let mut request = body.clone();
        request["RequestItems"] = part(&body["RequestItems"], processed, true);
        Self {
            request: request.to_string().into(),
            unprocessed: part(&body["RequestItems"], processed, false),
        }
    }

    /// Returns the response to the whole request, from the one for the keys that are processed.
    pub fn complete(self, content: &[u8]) -> Result<Response<Full<Bytes>>> {
        let mut content: Value = serde_json::from_slice(content)?;
        content["UnprocessedKeys"] = self.unprocessed;
        Ok(response::with_status(StatusCode::OK, content.to_string()))
    }
}

/// Returns the tables of a request with those of their keys that are processed, or with those that are not; without
/// tables of which no key is left.
fn part(tables: &Value, processed: &[bool], wanted: bool) -> Value {
    let mut positions = processed.iter();
    let mut part = Map::new();
    for (table, read) in tables.as_object().into_iter().flatten() {
        let keys = read["Keys"].as_array().into_iter().flatten();
        let keys = keys.filter(|_| positions.next() == Some(&wanted)).cloned();
        let mut read = read.clone();
        read["Keys"] = keys.collect();
        if read["Keys"] != json!([]) {
            part.insert(table.clone(), read);
        }
    }
    part.into()
}
