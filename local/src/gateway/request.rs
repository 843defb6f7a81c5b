//! A client's request, and the event that API Gateway makes of it.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use time::macros::format_description;
use uuid::Uuid;

use super::route::{RouteMatch, decode};
use crate::{clock, template::ACCOUNT};

const API_ID: &str = "local12345";
const DOMAIN: &str = "local12345.execute-api.eu-west-1.amazonaws.com";

/// A request as a client sends it.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    source_ip: String,
    base64: bool,
}

impl HttpRequest {
    /// Returns a request without a body. `target` is the path, percent-encoded, with or without `?query`.
    pub fn new(method: impl Into<String>, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.into(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            source_ip: "203.0.113.10".to_owned(),
            base64: false,
        }
    }

    /// Sets the raw query, without the question mark.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    /// Adds a header; names may repeat.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the token of an authenticated request.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body with its content type.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets the client's address.
    #[must_use]
    pub fn source_ip(mut self, address: impl Into<String>) -> Self {
        self.source_ip = address.into();
        self
    }

    /// Has the event carry the body as Base64 even if it is text.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.base64 = true;
        self
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path as sent.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the first value of a header, by its lower-case name.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the event for the function of a route.
    pub fn event(&self, route: &RouteMatch) -> Value {
        let (headers, cookies) = self.headers_and_cookies();
        let now = clock::now();
        let clock = format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
        // An HTTP API decodes the path, but not the query.
        let path = decode(&self.path);
        let mut event = json!({
            "version": "2.0",
            "routeKey": route.route_key,
            "rawPath": path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": API_ID,
                "domainName": DOMAIN,
                "domainPrefix": API_ID,
                "http": {
                    "method": self.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.source_ip,
                    "userAgent": headers.get("user-agent").map_or("", String::as_str),
                },
                "requestId": BASE64_STANDARD.encode(&Uuid::new_v4().as_bytes()[..11]),
                "routeKey": route.route_key,
                "stage": "$default",
                "time": now.format(clock).unwrap_or_default(),
                "timeEpoch": clock::milliseconds(now),
            },
            "isBase64Encoded": false,
        });
        if !cookies.is_empty() {
            event["cookies"] = json!(cookies);
        }
        if !self.query.is_empty() {
            event["queryStringParameters"] = json!(self.query_parameters());
        }
        if !route.path_parameters.is_empty() {
            event["pathParameters"] = json!(route.path_parameters);
        }
        match std::str::from_utf8(&self.body) {
            _ if self.body.is_empty() => {}
            Ok(text) if !self.base64 && self.is_text() => event["body"] = json!(text),
            _ => {
                event["body"] = json!(BASE64_STANDARD.encode(&self.body));
                event["isBase64Encoded"] = json!(true);
            }
        }
        event
    }

    /// Returns whether API Gateway passes a body of this content type on as text. A form is not text.
    fn is_text(&self) -> bool {
        const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];
        self.header_value("content-type").is_none_or(|content_type| {
            let media_type = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
            media_type.starts_with("text/") || TEXTS.contains(&media_type.as_str())
        })
    }

    /// Returns the headers under lower-case names, with repeated ones joined by commas and with the headers that the
    /// gateway adds; and the cookies apart from them.
    fn headers_and_cookies(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let mut headers = BTreeMap::new();
        let mut cookies = Vec::new();
        for (name, value) in &self.headers {
            let name = name.to_lowercase();
            if name == "cookie" {
                cookies.extend(value.split(';').map(|cookie| cookie.trim().to_owned()));
            } else {
                join(&mut headers, name, value, ",");
            }
        }
        join(&mut headers, "x-forwarded-for".to_owned(), &self.source_ip, ", ");
        let trace = Uuid::new_v4().simple().to_string();
        let added = [
            ("content-length", self.body.len().to_string()),
            ("host", DOMAIN.to_owned()),
            ("x-amzn-trace-id", format!("Root=1-{}-{}", &trace[..8], &trace[8..])),
            ("x-forwarded-port", "443".to_owned()),
            ("x-forwarded-proto", "https".to_owned()),
        ];
        for (name, value) in added {
            headers.entry(name.to_owned()).or_insert(value);
        }
        (headers, cookies)
    }

    fn query_parameters(&self) -> BTreeMap<String, String> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            join(&mut parameters, name.into_owned(), &value, ",");
        }
        parameters
    }
}

fn join(values: &mut BTreeMap<String, String>, name: String, value: &str, separator: &str) {
    let joined = values.entry(name);
    joined
        .and_modify(|earlier| *earlier = format!("{earlier}{separator}{value}"))
        .or_insert_with(|| value.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(request: &HttpRequest) -> Value {
        let path_parameters = BTreeMap::from([("id".to_owned(), "7".to_owned())]);
        let route_key = "PUT /api/movies/{id}".to_owned();
        request.event(&RouteMatch { operation: "update-movie".to_owned(), route_key, path_parameters })
    }

    #[test]
    fn a_request_becomes_a_complete_event() {
        let request = HttpRequest::new("PUT", "/api/movies/a%20b?x=1&x=2&y=%3C+")
            .header("X-Thing", "one")
            .header("x-thing", "two")
            .header("Cookie", "a=b; c=d")
            .header("User-Agent", "test")
            .header("x-forwarded-for", "198.51.100.1")
            .json(&json!({"name": "é"}));
        let event = event(&request);
        assert_eq!(event["rawPath"], "/api/movies/a b");
        assert_eq!(event["rawQueryString"], "x=1&x=2&y=%3C+");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "< "}));
        assert_eq!(event["pathParameters"], json!({"id": "7"}));
        assert_eq!(event["cookies"], json!(["a=b", "c=d"]));
        assert_eq!(event["headers"]["x-thing"], "one,two");
        assert_eq!(event["headers"]["x-forwarded-for"], "198.51.100.1, 203.0.113.10");
        assert_eq!(event["headers"]["content-length"], "13");
        assert!(event["headers"].get("cookie").is_none());
        assert_eq!(event["body"], r#"{"name":"é"}"#);
        let http = &event["requestContext"]["http"];
        assert_eq!((&http["userAgent"], &http["sourceIp"]), (&json!("test"), &json!("203.0.113.10")));
        let time = event["requestContext"]["time"].as_str().expect("a time");
        assert_eq!((time.len(), &time[20..]), (26, " +0000"), "{time}");
        assert_eq!(event["requestContext"]["requestId"].as_str().expect("an id").len(), 16);
    }

    #[test]
    fn a_body_that_is_not_text_is_sent_as_base64() {
        let binary = event(&HttpRequest::new("PUT", "/x").body([0xff, 0xfe]));
        assert_eq!((&binary["body"], &binary["isBase64Encoded"]), (&json!("//4="), &json!(true)));
        let form = HttpRequest::new("PUT", "/x").header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(event(&form.body("a=b"))["isBase64Encoded"], true);
        let text = HttpRequest::new("PUT", "/x").header("content-type", "Text/Plain; charset=utf-8");
        assert_eq!(event(&text.body("a=b"))["isBase64Encoded"], false);
        let forced = event(&HttpRequest::new("PUT", "/x").body("hi").base64());
        assert_eq!((&forced["body"], &forced["isBase64Encoded"]), (&json!("aGk="), &json!(true)));
    }

    #[test]
    fn empty_members_are_absent() {
        let event = event(&HttpRequest::new("GET", "/x"));
        for name in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(name).is_none(), "{name}");
        }
    }
}
