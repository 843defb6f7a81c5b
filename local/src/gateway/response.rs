//! The response that a client gets for a function's response.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::runtime_api::Outcome;

/// A response as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The headers by their lower-case names; repeated headers are joined by commas.
    pub headers: BTreeMap<String, String>,
    /// The cookies that are set, each by a header of its own.
    pub cookies: Vec<String>,
    /// The body, decoded if it was Base64. Bytes that are not UTF-8 become replacement characters.
    pub body: String,
    /// The bytes of the body, if it is not UTF-8.
    pub binary: Option<Vec<u8>>,
}

impl HttpResponse {
    /// Reads a function's response in payload format 2.0. One that the gateway cannot read becomes its own status 500.
    pub fn from_answer(response: &Value) -> Self {
        if response.get("statusCode").is_none() && !response.is_null() {
            // Format 2.0 treats any other JSON as the body of a success.
            return Self::of_json(200, response.as_str().map_or_else(|| response.to_string(), str::to_owned));
        }
        Self::read(response).unwrap_or_else(Self::gateway_error)
    }

    /// Returns the client's response for the outcome of an invocation. Everything but [`Outcome::Response`] is a status 500.
    #[must_use]
    pub fn from_outcome(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Response(response) => Self::from_answer(response),
            Outcome::Error { .. } | Outcome::Crashed { .. } | Outcome::TimedOut => Self::gateway_error(),
        }
    }

    /// Returns the body as JSON, or `null` if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Returns a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the body's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.binary.unwrap_or_else(|| self.body.into_bytes())
    }

    /// Returns a response without headers and body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        let (headers, cookies) = (BTreeMap::new(), Vec::new());
        Self { status, headers, cookies, body: String::new(), binary: None }
    }

    /// Returns a response of the gateway itself.
    pub(super) fn of_gateway(status: u16, message: &str) -> Self {
        Self::of_json(status, json!({"message": message}).to_string())
    }

    /// Returns the gateway's response for a function that failed.
    pub(super) fn gateway_error() -> Self {
        Self::of_gateway(500, "Internal Server Error")
    }

    fn of_json(status: u16, body: String) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        Self { headers, body, ..Self::empty(status) }
    }

    fn read(response: &Value) -> Option<Self> {
        let status = &response["statusCode"];
        let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
        let mut headers = BTreeMap::new();
        let mut add = |name: &str, value: &Value| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let all: &mut Vec<String> = headers.entry(name.to_lowercase()).or_default();
            if !all.contains(&value) {
                all.push(value);
            }
        };
        for (name, value) in response["headers"].as_object().into_iter().flatten() {
            add(name, value);
        }
        for (name, values) in response["multiValueHeaders"].as_object().into_iter().flatten() {
            values.as_array().into_iter().flatten().for_each(|value| add(name, value));
        }
        let cookies = response["cookies"].as_array().into_iter().flatten();
        let cookies = cookies.filter_map(Value::as_str).map(str::to_owned).collect();
        let (body, binary) = match &response["body"] {
            Value::Null => (String::new(), None),
            Value::String(text) if response["isBase64Encoded"] == true => {
                match String::from_utf8(BASE64_STANDARD.decode(text).ok()?) {
                    Ok(text) => (text, None),
                    Err(error) => {
                        let bytes = error.into_bytes();
                        (String::from_utf8_lossy(&bytes).into_owned(), Some(bytes))
                    }
                }
            }
            Value::String(text) => (text.clone(), None),
            _ => return None,
        };
        let headers = headers.into_iter().map(|(name, values)| (name, values.join(","))).collect();
        Some(Self { status: u16::try_from(status).ok()?, headers, cookies, body, binary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_with_headers_cookies_and_body() {
        let response = HttpResponse::from_answer(&json!({
            "statusCode": 200,
            "headers": {"Content-Type": "text/plain", "x-count": 3},
            "multiValueHeaders": {"content-type": ["text/plain"], "link": ["a", "b"]},
            "cookies": ["c=d"],
            "body": "aGk=",
            "isBase64Encoded": true,
        }));
        assert_eq!((response.status, response.body.as_str()), (200, "hi"));
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.header("link"), Some("a,b"));
        assert_eq!(response.cookies, ["c=d"]);
        assert_eq!(response.header("x-count"), Some("3"));
    }

    #[test]
    fn a_body_that_is_not_text_keeps_its_bytes() {
        let response = json!({"statusCode": 200, "body": "//4=", "isBase64Encoded": true});
        let response = HttpResponse::from_answer(&response);
        assert_eq!(response.body, "\u{fffd}\u{fffd}");
        assert_eq!(response.into_bytes(), [0xff, 0xfe]);
    }

    #[test]
    fn anything_else_is_the_gateways_own_error() {
        let crash = Outcome::Crashed { status: "exit status: 1".to_owned(), logs: String::new() };
        for response in [
            HttpResponse::from_outcome(&Outcome::TimedOut),
            HttpResponse::from_outcome(&crash),
            HttpResponse::from_answer(&json!({"statusCode": "many"})),
            HttpResponse::from_answer(&Value::Null),
        ] {
            assert_eq!(
                (response.status, response.json()),
                (500, json!({"message": "Internal Server Error"}))
            );
        }
    }

    #[test]
    fn json_without_a_status_is_a_success() {
        let response = HttpResponse::from_answer(&json!({"id": 1}));
        assert_eq!((response.status, response.json()), (200, json!({"id": 1})));
    }
}
