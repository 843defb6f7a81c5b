//! A guard in front of the embedded database, which itself lets every web page read and write.

use std::net::SocketAddr;

use anyhow::Result;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::any,
    serve::ListenerExt as _,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;

type Inner = (Client<HttpConnector, Body>, SocketAddr);

/// Forwards requests to the database at `inner`, except for requests of web pages. A browser sends those with an
/// `Origin`, or, after the page's own DNS name was rebound to this machine, with a foreign `Host`.
pub async fn serve(listener: TcpListener, inner: SocketAddr) -> Result<()> {
    // Without Nagle's algorithm, because it makes the second part of a message wait up to 40 ms for the acknowledgment of
    // the first.
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let listener = listener.tap_io(|client| {
        let _ = client.set_nodelay(true);
    });
    let client = Client::builder(TokioExecutor::new()).build(connector);
    axum::serve(listener, any(forward).with_state((client, inner))).await?;
    Ok(())
}

async fn forward(State((client, inner)): State<Inner>, mut request: Request) -> Response {
    if let Some(reason) = refusal(request.headers()) {
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let Ok(uri) = format!("http://{inner}{target}").parse() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::CONNECTION);
    match client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            (StatusCode::BAD_GATEWAY, format!("the database does not respond: {error}")).into_response()
        }
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if headers.contains_key(header::ORIGIN) {
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
