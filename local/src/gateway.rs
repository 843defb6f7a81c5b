//! API Gateway's HTTP API between a client and a function: it finds the route, makes the event (payload format 2.0), reads
//! the function's response and applies CORS. `cargo local` serves it over HTTP; tests also call it directly.
//!
//! Its modules, each of which uses only those before it: `route`, `request`, `response`, `cors`.

mod cors;
mod request;
mod response;
mod route;

use std::{future::Future, net::SocketAddr, sync::Arc};

use anyhow::Result;
use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderName, HeaderValue, StatusCode, header::SET_COOKIE},
    response::{IntoResponse as _, Response},
    routing::any,
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use crate::{
    clock,
    template::{Cors, Route, Template},
};
pub use request::HttpRequest;
pub use response::HttpResponse;
pub use route::RouteMatch;

/// The largest body that API Gateway accepts: 10 MB.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// A request that was responded to.
#[derive(Debug, Clone)]
pub struct Exchange<Log> {
    /// The method.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// When its head was received.
    pub received: OffsetDateTime,
    /// What responded.
    pub responder: Responder<Log>,
    /// The status of the response.
    pub status: u16,
}

/// What responds to a request.
#[derive(Debug, Clone)]
pub enum Responder<Log> {
    /// The function of an operation, with what its invocation has left.
    #[expect(missing_docs, reason = "see above")]
    Function { operation: String, log: Log },
    /// The gateway itself: it is a preflight request of CORS.
    Preflight,
    /// The gateway itself: no route matches.
    NoRoute,
    /// The gateway itself: the body is too large, or was not received.
    BadBody,
}

/// The routes and the CORS of a template.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Each route with the operation of its function.
    routes: Vec<(Route, String)>,
    cors: Option<Cors>,
}

impl Gateway {
    /// Returns a gateway with every route of the template.
    #[must_use]
    pub fn new(template: &Template) -> Self {
        let routes = template.functions().iter().flat_map(|function| {
            function.routes.iter().map(|route| (route.clone(), function.operation.clone()))
        });
        Self { routes: routes.collect(), cors: template.cors().cloned() }
    }

    /// Returns the route of a request, if there is one.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> Option<RouteMatch> {
        route::find(&self.routes, method, path)
    }

    /// Returns the operation that a request is for, and its event.
    #[must_use]
    pub fn event(&self, request: &HttpRequest) -> Option<(String, Value)> {
        let route = self.route(request.method(), request.path())?;
        let event = request.event(&route);
        Some((route.operation, event))
    }

    /// Returns the response that the client gets. `invoke` invokes the function of an operation with an event.
    async fn respond<Invoke, Invoking, Log>(
        &self,
        request: &HttpRequest,
        invoke: Invoke,
    ) -> (HttpResponse, Responder<Log>)
    where
        Invoke: FnOnce(String, Value) -> Invoking,
        Invoking: Future<Output = (HttpResponse, Log)>,
    {
        if let Some(response) = self.cors.as_ref().and_then(|cors| cors::preflight(cors, request)) {
            return (response, Responder::Preflight);
        }
        match self.event(request) {
            Some((operation, event)) => {
                let (response, log) = invoke(operation.clone(), event).await;
                (self.with_cors(request, response), Responder::Function { operation, log })
            }
            None => (self.refuse(request, 404, "Not Found"), Responder::NoRoute),
        }
    }

    /// Returns the gateway's own response to a request that reaches no function.
    fn refuse(&self, request: &HttpRequest, status: u16, message: &str) -> HttpResponse {
        self.with_cors(request, HttpResponse::of_gateway(status, message))
    }

    fn with_cors(&self, request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
        if let Some(cors) = &self.cors {
            cors::apply(cors, request, &mut response);
        }
        response
    }
}

/// Serves HTTP on `listener`. `invoke` invokes the function of an operation with an event, and `log` gets each exchange
/// with what `invoke` has returned beside the response.
///
/// Any `Host` is accepted: the gateway keeps no cookies and requests no certificate, so a page that reaches it through a
/// name of its own (DNS rebinding) can do no more than any client without a token, which the CORS of the template allows
/// to every page.
pub async fn serve<Invoke, Invoking, Log>(
    listener: TcpListener,
    gateway: Gateway,
    invoke: Invoke,
    log: fn(Exchange<Log>),
) -> Result<()>
where
    Invoke: Fn(String, Value) -> Invoking + Clone + Send + Sync + 'static,
    Invoking: Future<Output = (HttpResponse, Log)> + Send,
    Log: Send + 'static,
{
    let gateway = Arc::new(gateway);
    let handle = move |request: Request| {
        let (gateway, invoke) = (Arc::clone(&gateway), invoke.clone());
        // In a task of its own, because a function goes on when its client has gone.
        let handling = tokio::spawn(async move {
            let (response, exchange) = handle(request, &gateway, invoke).await;
            log(exchange);
            response
        });
        async move {
            // It fails only if the task panics.
            handling.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    };
    axum::serve(listener, any(handle).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

async fn handle<Invoke, Invoking, Log>(
    request: Request,
    gateway: &Gateway,
    invoke: Invoke,
) -> (Response, Exchange<Log>)
where
    Invoke: FnOnce(String, Value) -> Invoking,
    Invoking: Future<Output = (HttpResponse, Log)>,
{
    let received = clock::now();
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let client = head.extensions.get::<ConnectInfo<SocketAddr>>().expect("the server adds it");
    let mut request = HttpRequest::new(head.method.as_str(), target).source_ip(client.0.ip().to_string());
    for (name, value) in &head.headers {
        request = request.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
    }
    let (method, path) = (request.method().to_owned(), request.path().to_owned());
    let (response, responder) = match read(body).await {
        Ok(Some(body)) => gateway.respond(&request.body(body), invoke).await,
        Ok(None) => (gateway.refuse(&request, 413, "Request Entity Too Large"), Responder::BadBody),
        // The client has gone, or sends something that is not HTTP.
        Err(_) => (gateway.refuse(&request, 400, "Bad Request"), Responder::BadBody),
    };
    let response = into_http(response).unwrap_or_else(|| {
        into_http(HttpResponse::gateway_error()).expect("the gateway's own response is valid")
    });
    let status = response.status().as_u16();
    (response, Exchange { method, path, received, responder, status })
}

/// Reads a body to its end, because a client that is still sending would not read the response. Returns nothing for a
/// body that is too large.
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
    // The server sets the length and framing of the body as it is sent.
    for name in ["connection", "content-length", "transfer-encoding"] {
        http.headers_mut().remove(name);
    }
    *http.body_mut() = Bytes::from(response.into_bytes()).into();
    Some(http)
}
