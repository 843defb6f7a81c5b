//! Keeps web pages from the embedded database, which checks no credentials.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// Refuses the requests of web pages, and passes on all others.
///
/// A browser sends the requests of a page with an `Origin`, or at least with `Sec-Fetch-Site`, or, after the page's own
/// DNS name was rebound to this machine, with a foreign `Host`.
pub async fn refuse_web_pages(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        Some("The local database serves no web pages.\n")
    } else if !host.is_some_and(is_this_machine) {
        Some("The local database accepts requests for 127.0.0.1, localhost and [::1] only.\n")
    } else {
        None
    }
}

/// Returns whether a `Host` names this machine, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    let host = host.to_ascii_lowercase();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.strip_prefix(name).is_some_and(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_accepted_on_any_port() {
        for host in ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:65535"] {
            assert!(is_this_machine(host), "{host}");
        }
        let foreign = "evil.example evil.example:8000 localhost.evil.example 127.0.0.1.evil.example \
                       127.0.0.1:8000.evil.example evil.example#localhost 127.0.0.2 [::2] localhost:";
        for host in foreign.split(' ').chain([""]) {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
