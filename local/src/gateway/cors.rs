//! CORS as API Gateway's HTTP APIs implement it: the gateway responds to preflight requests itself, and its headers
//! replace the function's.

use std::collections::BTreeMap;

use super::{request::HttpRequest, response::HttpResponse};
use crate::template::Cors;

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// Returns the response to a preflight request, which reaches no function; `None` for every other request.
pub fn preflight(cors: &Cors, request: &HttpRequest) -> Option<HttpResponse> {
    let is_preflight = request.method() == "OPTIONS"
        && request.header_value("origin").is_some()
        && request.header_value("access-control-request-method").is_some();
    is_preflight.then(|| {
        let mut response = HttpResponse::empty(204);
        if let Some(origin) = allowed_origin(cors, request) {
            let headers = [
                (ALLOW_ORIGIN, origin),
                ("access-control-allow-methods", cors.allow_methods.join(",")),
                ("access-control-allow-headers", cors.allow_headers.join(",")),
                ("access-control-expose-headers", cors.expose_headers.join(",")),
                ("access-control-max-age", cors.max_age.map(|age| age.to_string()).unwrap_or_default()),
            ];
            add(&mut response.headers, headers);
        }
        response
    })
}

/// Sets the CORS headers of the response to any other request.
pub fn apply(cors: &Cors, request: &HttpRequest, response: &mut HttpResponse) {
    response.headers.retain(|name, _| !name.starts_with("access-control-"));
    if let Some(origin) = allowed_origin(cors, request) {
        let exposed = ("access-control-expose-headers", cors.expose_headers.join(","));
        add(&mut response.headers, [(ALLOW_ORIGIN, origin), exposed]);
    }
}

/// Returns the `access-control-allow-origin` of the response to a request from another origin, if it is allowed.
fn allowed_origin(cors: &Cors, request: &HttpRequest) -> Option<String> {
    let origin = request.header_value("origin")?;
    let allows = |allowed: &String| allowed == "*" || allowed == origin || allows_scheme(allowed, origin);
    let allowed = cors.allow_origins.iter().find(|allowed| allows(allowed))?;
    Some(if allowed == "*" { "*".to_owned() } else { origin.to_owned() })
}

/// API Gateway also accepts `https://*` and `http://*`.
fn allows_scheme(allowed: &str, origin: &str) -> bool {
    allowed.strip_suffix('*').is_some_and(|scheme| scheme.ends_with("://") && origin.starts_with(scheme))
}

fn add<const N: usize>(headers: &mut BTreeMap<String, String>, new: [(&str, String); N]) {
    let new = new.into_iter().filter(|(_, value)| !value.is_empty());
    headers.extend(new.map(|(name, value)| (name.to_owned(), value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origin: &str) -> Cors {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Cors {
            allow_origins: owned(&[origin]),
            allow_methods: owned(&["GET", "PUT"]),
            allow_headers: owned(&["authorization"]),
            expose_headers: owned(&["link", "location"]),
            max_age: Some(60),
        }
    }

    fn request(method: &str, origin: &str) -> HttpRequest {
        HttpRequest::new(method, "/").header("Origin", origin).header("Access-Control-Request-Method", "PUT")
    }

    fn headers(response: &HttpResponse) -> Vec<(&str, &str)> {
        response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn only_options_with_both_headers_is_a_preflight() {
        let response = preflight(&cors("*"), &request("OPTIONS", "http://page.example")).expect("a response");
        let expected = [
            ("access-control-allow-headers", "authorization"),
            ("access-control-allow-methods", "GET,PUT"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "link,location"),
            ("access-control-max-age", "60"),
        ];
        assert_eq!((response.status, headers(&response)), (204, expected.to_vec()));
        assert!(preflight(&cors("*"), &request("GET", "http://page.example")).is_none());
        let without_method = HttpRequest::new("OPTIONS", "/").header("origin", "http://page.example");
        assert!(preflight(&cors("*"), &without_method).is_none());
    }

    #[test]
    fn an_origin_that_is_not_allowed_gets_no_headers() {
        for (allowed, origin, expected) in [
            ("https://a.example", "https://a.example", Some("https://a.example")),
            ("https://a.example", "https://b.example", None),
            ("https://*", "https://b.example", Some("https://b.example")),
            ("https://*", "http://b.example", None),
        ] {
            let response = preflight(&cors(allowed), &request("OPTIONS", origin)).expect("a response");
            assert_eq!(response.header(ALLOW_ORIGIN), expected, "{allowed} and {origin}");
            assert_eq!(response.headers.is_empty(), expected.is_none());
        }
    }

    #[test]
    fn the_headers_of_the_function_are_replaced() {
        let with_origin = request("GET", "http://page.example");
        let replaced = vec![(ALLOW_ORIGIN, "*"), ("access-control-expose-headers", "link,location")];
        for (request, expected) in [(with_origin, replaced), (HttpRequest::new("GET", "/"), vec![])] {
            let mut response = HttpResponse::empty(200);
            let own = [(ALLOW_ORIGIN, "x"), ("access-control-allow-credentials", "true")];
            add(&mut response.headers, own.map(|(name, value)| (name, value.to_owned())));
            apply(&cors("*"), &request, &mut response);
            assert_eq!(headers(&response), expected);
        }
    }
}
