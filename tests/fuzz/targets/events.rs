//! Checks that no request that API Gateway passes on gets a 5xx response, and that a handler sees what the client sent. The
//! events go through the entry of the functions with a route.

#![no_main]

use std::{
    collections::BTreeMap,
    io::Read as _,
    sync::{LazyLock, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use fuzz::{Outcome, RuntimeApi, VERSION, ensure_function_environment};
use libfuzzer_sys::fuzz_target;
use query::Query;
use serde_json::{Value, json};
use shared::{
    http::{self, ApiError, EntityTag, Fields, FromBody, HandlerResult, Request},
    model::MovieName,
};
use uuid::Uuid;

#[path = "../../../functions/list-movies/query.rs"]
mod query;

/// The address of the client. Nothing that it sends may change it.
const SOURCE: &str = "203.0.113.7";

static API: LazyLock<Mutex<RuntimeApi>> =
    LazyLock::new(|| Mutex::new(RuntimeApi::start(|| http::serve("fuzz", handle))));

// The input is either an event or a request: a path with a query, the lines of headers, an empty line, and a body.
fuzz_target!(init: ensure_function_environment(), |input: &[u8]| {
    if input.starts_with(b"{") {
        check_event(input);
    } else {
        SentRequest::read(input).check();
    }
});

/// Returns everything that a handler of this API reads of a request.
async fn handle(request: Request) -> HandlerResult {
    let query = Query::read(&request);
    let link = query.as_ref().ok().and_then(|query| Some(query.link_to(query.cursor.as_ref()?)));
    let permitted = http::if_match(&request).map(|versions| versions.iter().collect::<Vec<_>>());
    let response = http::ok(&json!({
        "token": or_code(http::bearer_token(&request)),
        "movie": or_code(http::movie_id(&request).map(|id| id.to_string())),
        "source": http::source_address(&request),
        "if_match": permitted.map(|versions| json!(versions.iter().map(Uuid::to_string).collect::<Vec<_>>())),
        "if_none_match": http::if_none_match(&request, &EntityTag::of_version(VERSION)),
        "body": STANDARD.encode(request.body().as_ref()),
        "json": or_code(http::body::<Named>(&request).map(|named| named.0.as_str().to_owned())),
        "limit": or_code(query.map(|query| query.limit)),
        "link": link,
    }))?;
    http::compressed(&request, response)
}

fn or_code(value: Result<impl Into<Value>, ApiError>) -> Value {
    value.map_or_else(
        |error| {
            assert!(error.status().is_client_error(), "{error:?}");
            json!({"code": error.code()})
        },
        Into::into,
    )
}

/// A body with a name.
struct Named(MovieName);

impl FromBody for Named {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        fields.required("name").map(Self)
    }
}

/// Checks any event. API Gateway does not send most of them, so the function may report an error.
fn check_event(event: &[u8]) {
    if let Outcome::Response(response) = invoke(event) {
        seen(&response);
    }
}

fn invoke(event: &[u8]) -> Outcome {
    API.lock().unwrap_or_else(PoisonError::into_inner).invoke(event)
}

/// Returns what the handler has seen, after checking the response.
fn seen(response: &[u8]) -> Value {
    let response: Value = serde_json::from_slice(response).expect("a response is JSON");
    let header = |name: &str| response["headers"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(response["statusCode"], 200, "the status");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("vary"), "accept-encoding");
    let mut body = response["body"].as_str().expect("a body").to_owned();
    if response["isBase64Encoded"] == true {
        assert_eq!(header("content-encoding"), "gzip");
        let bytes = STANDARD.decode(body).expect("base64");
        body = String::new();
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut body).expect("gzip");
    }
    serde_json::from_str(&body).expect("JSON")
}

/// A request as a client sends it.
struct SentRequest {
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl SentRequest {
    fn read(input: &[u8]) -> Self {
        let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
        let head = String::from_utf8_lossy(&input[..end]).into_owned();
        let mut lines = head.split('\n');
        let target = lines.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            // API Gateway writes names in lower case, and joins the values of headers with the same name.
            let joined: &mut String = headers.entry(name.to_ascii_lowercase()).or_default();
            joined.extend([if joined.is_empty() { "" } else { "," }, value.trim_matches(' ')]);
        }
        let body = input.get(end + 2..).unwrap_or_default().to_vec();
        Self { path: format!("/{path}"), query: query.to_owned(), headers, body }
    }

    /// Returns the event of API Gateway in payload format 2.0.
    fn event(&self) -> Value {
        let text = str::from_utf8(&self.body).ok();
        json!({
            "version": "2.0",
            "routeKey": "PUT /api/movies/{id}",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": self.headers,
            "requestContext": {
                "http": {"method": "PUT", "path": self.path, "protocol": "HTTP/1.1", "sourceIp": SOURCE},
                "domainName": self.headers.get("host"),
                "requestId": "id",
                "routeKey": "PUT /api/movies/{id}",
                "stage": "$default",
                "timeEpoch": 1_800_000_000_000_i64,
            },
            "pathParameters": {"id": self.id()},
            "body": text.map_or_else(|| STANDARD.encode(&self.body), str::to_owned),
            "isBase64Encoded": text.is_none(),
        })
    }

    fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn check(&self) {
        let outcome = invoke(self.event().to_string().as_bytes());
        let Outcome::Response(response) = outcome else { panic!("a request gets a 500: {outcome:?}") };
        let seen = seen(&response);
        assert_eq!(seen["source"], SOURCE, "the address of the client");
        assert_eq!(seen["body"], STANDARD.encode(&self.body), "the body");
        if let Some(id) = seen["movie"].as_str() {
            assert_eq!(id, self.id(), "an id has one spelling");
        }
        self.check_token(&seen["token"]);
        self.check_conditions(&seen);
        self.check_query(&seen);
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn check_token(&self, token: &Value) {
        let sent = self.header("authorization").unwrap_or_default();
        let parts = sent.split_once(' ').map(|(scheme, token)| (scheme, token.trim_matches(' ')));
        match token.as_str() {
            Some(token) => {
                let (scheme, sent) = parts.expect("a scheme and a token");
                assert!(scheme.eq_ignore_ascii_case("bearer") && sent == token, "the token {token:?}");
                assert!(!token.is_empty() && !token.contains([' ', ',']), "one token");
            }
            None => assert!(
                !parts.is_some_and(|(scheme, token)| {
                    scheme.eq_ignore_ascii_case("bearer")
                        && !token.is_empty()
                        && token.bytes().all(is_token_byte)
                }),
                "the token of {sent:?} is not seen"
            ),
        }
    }

    /// A write must not lose its condition, whatever the header contains.
    fn check_conditions(&self, seen: &Value) {
        let any = |name| self.header(name).is_some_and(|value| value.trim_matches([' ', '\t']) == "*");
        let has_no_condition = self.header("if-match").is_none() || any("if-match");
        assert_eq!(seen["if_match"].is_null(), has_no_condition, "whether the write has a condition");
        let lists = self.header("if-none-match").is_some_and(|value| value.contains(&VERSION.to_string()));
        assert!(!seen["if_none_match"].as_bool().expect("a bool") || lists || any("if-none-match"));
    }

    /// The limit is the value of the only `limit` in the query, and a link leads to the list with the same cursor.
    fn check_query(&self, seen: &Value) {
        let pair = |text: &str| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        if let Some(limit) = seen["limit"].as_u64() {
            assert!((1..=500).contains(&limit), "the limit {limit}");
            if let Some((_, sent)) = self.query.split('&').filter_map(pair).find(|(name, _)| name == "limit")
                && sent.bytes().all(|byte| byte.is_ascii_digit())
            {
                assert_eq!(sent.parse().ok(), Some(limit), "the limit");
            }
        }
        if let Some(link) = seen["link"].as_str() {
            let query =
                link.strip_prefix("</api/movies?").and_then(|link| link.strip_suffix(">; rel=\"next\""));
            let followed = Self { query: query.expect("a link").to_owned(), ..Self::read(b"") };
            let Outcome::Response(response) = invoke(followed.event().to_string().as_bytes()) else {
                panic!("a link gets a 500");
            };
            assert_eq!(self::seen(&response)["link"], *link, "a link leads to the same page");
        }
    }
}

/// Returns whether a byte can be part of a bearer token (RFC 6750 section 2.1).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}
