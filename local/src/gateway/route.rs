//! Finds the route of a request.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::template::Route;

/// The route of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatch {
    /// The function's operation, such as `get-movie`.
    pub operation: String,
    /// The route as the event names it, such as `GET /api/movies/{id}`.
    pub route_key: String,
    /// The values of the path's parameters, decoded.
    pub path_parameters: BTreeMap<String, String>,
}

/// Returns the most specific route that matches, if any: a literal path segment takes precedence over a parameter, and a
/// method over `ANY`. Each route comes with the operation of its function.
pub fn find(routes: &[(Route, String)], method: &str, path: &str) -> Option<RouteMatch> {
    let candidates = routes.iter().filter_map(|(route, operation)| {
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

/// Decodes percent-encoding. A sequence that is not UTF-8 becomes the replacement character.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Option<RouteMatch> {
        let routes = [
            ("GET", "/api/movies", "list-movies"),
            ("GET", "/api/movies/{id}", "get-movie"),
            ("ANY", "/api/movies/{id}", "any-movie"),
            ("GET", "/api/movies/newest", "newest-movie"),
        ];
        let routes = routes.map(|(method, path, operation)| {
            (Route { method: method.to_owned(), path: path.to_owned() }, operation.to_owned())
        });
        find(&routes, method, path)
    }

    #[test]
    fn the_most_specific_route_matches() {
        for (method, path, expected) in [
            ("GET", "/api/movies", Some("list-movies")),
            ("GET", "/api/movies/1", Some("get-movie")),
            ("PUT", "/api/movies/1", Some("any-movie")),
            ("GET", "/api/movies/newest", Some("newest-movie")),
            ("POST", "/api/movies", None),
            ("GET", "/api/movies/", None),
            ("GET", "/api/movies/1/2", None),
            ("GET", "/", None),
        ] {
            let operation = found(method, path).map(|route| route.operation);
            assert_eq!(operation.as_deref(), expected, "{method} {path}");
        }
    }

    #[test]
    fn path_parameters_are_decoded() {
        let route = found("GET", "/api/movies/a%20b%2Fc").expect("a route");
        assert_eq!(route.path_parameters, BTreeMap::from([("id".to_owned(), "a b/c".to_owned())]));
        assert_eq!(route.route_key, "GET /api/movies/{id}");
    }
}
