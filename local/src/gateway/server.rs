//! The gateway's HTTP side.

use std::{future::Future, sync::Arc};

use anyhow::Result;
use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header::SET_COOKIE},
    response::Response,
    routing::any,
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Gateway, HttpRequest, HttpResponse};

/// The largest body that API Gateway takes: 10 MB.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// Serves HTTP on `listener`, with `invoke` calling the function of an operation with an event.
///
/// Any `Host` is taken: the gateway keeps no cookies and asks for no certificate, so a page that reaches it through a
/// name of its own (DNS rebinding) can do no more than any client without a token, which the CORS of the template
/// allows to every page.
pub async fn serve<Invoke, Invoking>(listener: TcpListener, gateway: Gateway, invoke: Invoke) -> Result<()>
where
    Invoke: Fn(String, Value) -> Invoking + Clone + Send + Sync + 'static,
    Invoking: Future<Output = HttpResponse> + Send,
{
    let gateway = Arc::new(gateway);
    let handle = move |request: Request| {
        let (gateway, invoke) = (Arc::clone(&gateway), invoke.clone());
        async move { answer(request, &gateway, invoke).await }
    };
    axum::serve(listener, any(handle)).await?;
    Ok(())
}

async fn answer<Invoke, Invoking>(request: Request, gateway: &Gateway, invoke: Invoke) -> Response
where
    Invoke: FnOnce(String, Value) -> Invoking,
    Invoking: Future<Output = HttpResponse>,
{
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = HttpRequest::new(head.method.as_str(), target).source_ip("127.0.0.1");
    for (name, value) in &head.headers {
        request = request.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
    }
    let response = match read(body).await {
        Ok(Some(body)) => gateway.answer(&request.body(body), invoke).await,
        Ok(None) => gateway.refuse(&request, 413, "Request Entity Too Large"),
        // The client has gone, or sends what is no HTTP.
        Err(_) => gateway.refuse(&request, 400, "Bad Request"),
    };
    into_http(response).unwrap_or_else(|| {
        into_http(HttpResponse::gateway_error()).expect("the gateway's own response is valid")
    })
}

/// Reads a body to its end; `None` if it is too large. A client that still sends would not read the response.
async fn read(mut body: Body) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut bytes = Some(Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().unwrap_or_default();
        bytes = bytes.filter(|bytes| bytes.len() + data.len() <= LARGEST_BODY);
        if let Some(bytes) = &mut bytes {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// Returns nothing if a status or header is not valid in HTTP.
fn into_http(response: HttpResponse) -> Option<Response> {
    let status = StatusCode::from_u16(response.status).ok()?;
    let mut http = Response::new(Body::empty());
    *http.status_mut() = status;
    for (name, value) in &response.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        http.headers_mut().insert(name, HeaderValue::from_str(value).ok()?);
    }
    for cookie in &response.cookies {
        http.headers_mut().append(SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    // The length and framing are those of the body as it is sent.
    for name in ["connection", "content-length", "transfer-encoding"] {
        http.headers_mut().remove(name);
    }
    *http.body_mut() = Bytes::from(response.into_bytes()).into();
    Some(http)
}
