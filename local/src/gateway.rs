//! What API Gateway's HTTP API does between a client and a function: it finds the route, makes the event (payload format
//! 2.0), reads the answer and applies CORS. `cargo local` serves it; tests also call it directly.

mod cors;
mod request;
mod response;
mod server;

use std::{collections::BTreeMap, future::Future};

use percent_encoding::percent_decode_str;
use serde_json::Value;

pub use request::HttpRequest;
pub use response::HttpResponse;
pub use server::serve;

use crate::template::{Cors, Route, Template};

/// The routes and the CORS of a template.
#[derive(Debug, Clone)]
pub struct Gateway {
    routes: Vec<(Route, String)>,
    cors: Option<Cors>,
}

/// A request's route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatch {
    /// The function that answers, such as `get-movie`.
    pub operation: String,
    /// The route as the event names it, such as `GET /api/movies/{id}`.
    pub route_key: String,
    /// The values of the path's parameters, decoded.
    pub path_parameters: BTreeMap<String, String>,
}

impl Gateway {
    /// A gateway with every route of the template.
    #[must_use]
    pub fn new(template: &Template) -> Self {
        let routes = template.functions().iter().flat_map(|function| {
            function.routes.iter().map(|route| (route.clone(), function.operation.clone()))
        });
        Self { routes: routes.collect(), cors: template.cors().cloned() }
    }

    /// The route that answers, if there is one. A literal path segment wins over a parameter, a method over `ANY`.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> Option<RouteMatch> {
        let candidates = self.routes.iter().filter_map(|(route, operation)| {
            let path_parameters = path_parameters(&route.path, path)?;
            let method_fits = route.method == method || route.method == "ANY";
            method_fits.then(|| {
                let rank = (path_parameters.len(), route.method == "ANY");
                let route_key = format!("{} {}", route.method, route.path);
                (rank, RouteMatch { operation: operation.clone(), route_key, path_parameters })
            })
        });
        candidates.min_by_key(|(rank, _)| *rank).map(|(_, route)| route)
    }

    /// The operation that answers a request, and its event.
    #[must_use]
    pub fn event(&self, request: &HttpRequest) -> Option<(String, Value)> {
        let route = self.route(request.method(), request.path())?;
        let event = request.event(&route);
        Some((route.operation, event))
    }

    /// Answers a request as the client sees it. `invoke` calls the function of an operation with an event.
    pub async fn answer<Invoke, Invoking>(&self, request: &HttpRequest, invoke: Invoke) -> HttpResponse
    where
        Invoke: FnOnce(String, Value) -> Invoking,
        Invoking: Future<Output = HttpResponse>,
    {
        if let Some(response) = self.cors.as_ref().and_then(|cors| cors::preflight(cors, request)) {
            return response;
        }
        match self.event(request) {
            Some((operation, event)) => self.with_cors(request, invoke(operation, event).await),
            None => self.refuse(request, 404, "Not Found"),
        }
    }

    /// The gateway's own answer to a request that reaches no function.
    #[must_use]
    pub fn refuse(&self, request: &HttpRequest, status: u16, message: &str) -> HttpResponse {
        self.with_cors(request, HttpResponse::of_gateway(status, message))
    }

    fn with_cors(&self, request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
        if let Some(cors) = &self.cors {
            cors::apply(cors, request, &mut response);
        }
        response
    }
}

fn path_parameters(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => parameters.insert(name.to_owned(), decode(segment)),
            None if segment == expected => continue,
            _ => return None,
        };
    }
    segments.next().is_none().then_some(parameters)
}

/// Decodes percent signs; what is not UTF-8 then becomes the replacement character.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Gateway {
        let routes = [
            ("GET", "/api/movies", "list-movies"),
            ("GET", "/api/movies/{id}", "get-movie"),
            ("ANY", "/api/movies/{id}", "any-movie"),
            ("GET", "/api/movies/newest", "newest-movie"),
        ];
        let route = |(method, path, operation): (&str, &str, &str)| {
            (Route { method: method.to_owned(), path: path.to_owned() }, operation.to_owned())
        };
        Gateway { routes: routes.into_iter().map(route).collect(), cors: None }
    }

    #[test]
    fn the_most_specific_route_answers() {
        let operation = |method, path| gateway().route(method, path).map(|route| route.operation);
        assert_eq!(operation("GET", "/api/movies").as_deref(), Some("list-movies"));
        assert_eq!(operation("GET", "/api/movies/1").as_deref(), Some("get-movie"));
        assert_eq!(operation("PUT", "/api/movies/1").as_deref(), Some("any-movie"));
        assert_eq!(operation("GET", "/api/movies/newest").as_deref(), Some("newest-movie"));
        for (method, path) in
            [("POST", "/api/movies"), ("GET", "/api/movies/"), ("GET", "/api/movies/1/2"), ("GET", "/")]
        {
            assert_eq!(operation(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn path_parameters_are_decoded() {
        let route = gateway().route("GET", "/api/movies/a%20b%2Fc").expect("a route");
        assert_eq!(route.path_parameters, BTreeMap::from([("id".to_owned(), "a b/c".to_owned())]));
        assert_eq!(route.route_key, "GET /api/movies/{id}");
    }
}
