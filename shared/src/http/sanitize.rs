//! Sanitizing events before `lambda_http` parses them.
//!
//! `lambda_http` builds a URL from the event and panics if the URL is not valid: for `<`, `"` or a space in the query, and
//! for an `x-forwarded-proto` of `https,http`. It refuses the whole event because of one invalid header. A client can
//! send all of these through API Gateway, and none may make a function fail.

use lambda_http::{
    aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    http::{HeaderName, HeaderValue},
    request::LambdaRequest,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// A sanitized event of API Gateway's HTTP API (payload format 2.0).
pub(super) struct SanitizedEvent(pub(super) LambdaRequest);

impl<'de> Deserialize<'de> for SanitizedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut event = Value::deserialize(deserializer)?;
        sanitize(&mut event);
        // The parser's own message would repeat parts of the event in the log.
        serde_json::from_value::<ApiGatewayV2httpRequest>(event)
            .map(|event| Self(LambdaRequest::ApiGatewayV2(event)))
            .map_err(|_| D::Error::custom("not an event of an HTTP API in payload format 2.0"))
    }
}

fn sanitize(event: &mut Value) {
    if let Some(Value::String(query)) = event.get_mut("rawQueryString") {
        *query = percent_encoded(query);
    }
    if let Some(Value::String(path)) = event.get_mut("rawPath") {
        *path = format!("/{}", percent_encoded(path.trim_start_matches('/')));
    }
    if let Some(Value::Object(headers)) = event.get_mut("headers") {
        // Without its condition, a write would overwrite what it was meant to keep. An empty list matches nothing.
        if let Some(value) = headers.get_mut("if-match").filter(|value| !is_header_value(value)) {
            *value = Value::String(String::new());
        }
        headers.retain(|name, value| {
            let name = HeaderName::try_from(name.as_str());
            // Without these headers, the URL gets a fixed scheme and a fixed host. No function reads either.
            is_header_value(value) && name.is_ok_and(|name| name != "x-forwarded-proto" && name != "host")
        });
    }
    if let Some(context) = event.get_mut("requestContext").and_then(Value::as_object_mut) {
        context.remove("domainName");
    }
}

fn is_header_value(value: &Value) -> bool {
    value.as_str().is_some_and(|value| HeaderValue::from_str(value).is_ok())
}

/// The characters to encode: all but those that a path or query may contain (RFC 3986 section 3.4) and `%`, so that text
/// that is already encoded does not change.
const NOT_IN_URLS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'?')
    .remove(b'%');

fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_URLS).to_string()
}

#[cfg(test)]
mod tests {
    use lambda_http::{Request, RequestExt};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::SanitizedEvent;

    fn request(event: Value) -> Request {
        serde_json::from_value::<SanitizedEvent>(event).expect("an event").0.into()
    }

    fn event(path: &str, query: &str, headers: &Value) -> Value {
        json!({
            "version": "2.0", "routeKey": "GET /api/movies", "rawPath": path, "rawQueryString": query,
            "headers": headers,
            "requestContext": {"stage": "$default", "domainName": "x y", "http": {"method": "GET", "path": path}},
        })
    }

    #[test]
    fn an_event_with_invalid_parts_becomes_a_request() {
        let headers = json!({
            "x-forwarded-proto": "https,http", "host": "a b<>", "x-note": "a\nb", "bad name": "x", "x-list": ["x"],
            "accept": "*/*", "if-match": "a\nb", "if-none-match": "a\nb",
        });
        let request = request(event("/api/movies", "limit=<\"> |^`{}&cursor=%C3%A9 é", &headers));
        let query = request.query_string_parameters_ref().expect("a query");
        assert_eq!(query.first("limit"), Some("<\"> |^`{}"));
        assert_eq!(query.first("cursor"), Some("é é"));
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("accept", "*/*".as_bytes()), ("if-match", b"")]);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(path in "\\PC{0,40}", query in "\\PC{0,40}", header in "\\PC{0,20}") {
            let headers = json!({"x-forwarded-proto": header, "host": header, header.clone(): header});
            request(event(&path, &query, &headers));
        }
    }
}
