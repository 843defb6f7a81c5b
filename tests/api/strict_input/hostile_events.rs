//! Unexpected events. An event that API Gateway can send gets a response. An event that it cannot send may be reported
//! to the Runtime API as an error. Neither ends a process.

use local::{
    gateway::{HttpRequest, HttpResponse},
    runtime_api::Outcome,
};
use serde_json::{Value, json};

use super::StrictInputTest;
use crate::{
    contract,
    operations::{self, Operation},
    test_app::segment,
};

/// An operation with an event that always gets the same status.
pub struct Repeatable {
    pub operation: String,
    pub event: Value,
    pub status: u16,
}

impl StrictInputTest {
    /// Returns the repeatable request of every operation that has a route.
    pub fn repeatable_requests(&self) -> Vec<Repeatable> {
        let repeatable = |operation: &'static Operation| {
            let request = operation.repeatable.expect("a repeatable request");
            let (request, status) = request(&self.owners[operation.name]);
            let (name, event) = self.app.event(&request.header("user-agent", "curl/8.5.0"));
            assert_eq!(name, operation.name, "its repeatable request is for another operation");
            Repeatable { operation: name, event, status }
        };
        operations::with_route().map(repeatable).collect()
    }

    /// Invokes an operation with an event. `sendable` says whether API Gateway can send it.
    pub async fn survive(&self, operation: &str, event: Vec<u8>, sendable: bool) -> Result<(), String> {
        let function = self.app.function(operation).await;
        let outcome = function.invoke_raw(event).await;
        match &outcome {
            Outcome::Response(_) => {
                let response = HttpResponse::from_outcome(&outcome);
                if response.status >= 500 {
                    return Err(format!("{operation} responded with {response:?}"));
                }
                // An event that names another path may get headers of another operation.
                if sendable {
                    check_if_described(operation, &response);
                }
            }
            Outcome::Error { .. } if !sendable => {}
            Outcome::Error { .. } | Outcome::Crashed { .. } | Outcome::TimedOut => {
                return Err(format!("{operation}: {outcome:?}"));
            }
        }
        // A process that ends is not replaced.
        if function.running_instances() == 1 { Ok(()) } else { Err(format!("{operation} has ended")) }
    }

    /// Invokes an operation with an event, and asserts that the operation still works afterwards.
    async fn assert_still_works(&self, repeatable: &Repeatable, case: &str, event: Vec<u8>, sendable: bool) {
        let survived = self.survive(&repeatable.operation, event, sendable).await;
        assert_eq!(survived, Ok(()), "{case}");
        // These logins have an unknown email, and would soon be blocked.
        self.app.reset_password_attempts();
        let response = self.app.invoke(&repeatable.operation, &repeatable.event).await;
        assert_eq!(
            response.status, repeatable.status,
            "{} after {case}: {}",
            repeatable.operation, response.body
        );
    }
}

/// New values at some places of an event, given as JSON pointers.
type Changes = Vec<(&'static str, Value)>;

/// Texts that parsers have failed on.
const STRANGE: [&str; 21] = [
    "",
    " ",
    "<",
    "\"",
    "<script>\"",
    "a b",
    "limit=<\">",
    "limit=%",
    "limit=%zz",
    "%ff=%fe&%00",
    "limit=5#top",
    "^`{|}\\",
    "é🎬",
    "\u{0}\u{1}\u{7f}",
    "?????",
    "&&&===",
    "%25%25",
    "limit=5&limit=5",
    "\u{2028}\u{feff}",
    "a=1;b=2",
    "//..//",
];

/// Returns changes that a client, or API Gateway on its behalf, can cause.
fn sendable_changes() -> Vec<Changes> {
    let mut changes = Vec::new();
    for text in STRANGE {
        let everywhere = |places: &[&'static str]| places.iter().map(|place| (*place, json!(text))).collect();
        changes.extend([
            vec![("/rawQueryString", json!(text))],
            vec![
                ("/rawPath", json!(format!("/api/movies/{text}"))),
                ("/pathParameters", json!({"id": text})),
            ],
            vec![("/cookies", json!([text, "session=1; session=2"]))],
            everywhere(&["/headers/authorization"]),
            everywhere(&["/headers/content-type", "/headers/content-length"]),
            everywhere(&["/headers/host", "/headers/x-forwarded-proto", "/requestContext/domainName"]),
            everywhere(&[
                "/headers/x-forwarded-for",
                "/headers/x-forwarded-port",
                "/headers/x-amzn-trace-id",
            ]),
            everywhere(&["/headers/user-agent", "/headers/x-anything", "/requestContext/http/userAgent"]),
            everywhere(&["/body"]),
        ]);
    }
    let mut change = |place: &'static str, value: Value| changes.push(vec![(place, value)]);
    for proto in ["https,http", "http", "HTTPS", "ftp", "https, http", "javascript", "1http", "://"] {
        change("/headers/x-forwarded-proto", json!(proto));
    }
    for host in ["localhost:99999", "[::1]", "[", "user@host", "a/b?c#d", "éxample.com", "a,b", "host:port"]
    {
        change("/headers/host", json!(host));
        change("/requestContext/domainName", json!(host));
    }
    change("/rawQueryString", json!("x".repeat(8_000)));
    change("/rawQueryString", json!("&a".repeat(4_000)));
    change("/rawPath", json!(format!("/{}", "é".repeat(2_000))));
    change("/headers/x-anything", json!("y".repeat(8_000)));
    change("/headers/authorization", json!(format!("Bearer {}", "z".repeat(8_000))));
    change("/headers/authorization", json!("Bearer a,Bearer b"));
    change("/headers/transfer-encoding", json!("chunked"));
    change("/headers/expect", json!("100-continue"));
    change("/headers/content-encoding", json!("gzip"));
    change("/queryStringParameters", json!({"limit": "7", "cursor": "contradicts the raw query"}));
    change("/stageVariables", json!({"name": "value"}));
    change("/requestContext/authorizer", json!({"jwt": {"claims": {"sub": "me"}, "scopes": null}}));
    change("/requestContext/authentication", json!({"clientCert": {"clientCertPem": "x", "validity": {}}}));
    change("/somethingNew", json!({"from": ["a", "later", "version"]}));
    let base64 = |bytes: &str| vec![("/body", json!(bytes)), ("/isBase64Encoded", json!(true))];
    changes.extend([base64("//79/A=="), base64("")]);
    changes
}

#[tokio::test]
async fn every_event_that_a_client_can_cause_gets_a_response() {
    let test = StrictInputTest::start().await;
    for repeatable in test.repeatable_requests() {
        for changes in sendable_changes() {
            let event = changed(&repeatable.event, &changes);
            let survived = test.survive(&repeatable.operation, event.to_string().into(), true).await;
            assert_eq!(survived, Ok(()), "{changes:?}");
        }
        for place in ["/body", "/rawQueryString", "/pathParameters", "/headers/host", "/headers/content-type"]
        {
            let event = without(&repeatable.event, place);
            test.assert_still_works(&repeatable, &format!("no {place}"), event.to_string().into(), true)
                .await;
        }
    }
}

#[tokio::test]
async fn no_impossible_event_ends_a_process() {
    let test = StrictInputTest::start().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let payload_1 = json!({
        "version": "1.0", "resource": "/api/movies", "path": "/api/movies", "httpMethod": "GET",
        "headers": {"host": "x"}, "multiValueHeaders": {"host": ["x"]}, "queryStringParameters": null,
        "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null, "body": null,
        "requestContext": {"accountId": "1", "apiId": "a", "httpMethod": "GET", "path": "/api/movies", "stage": "$default",
            "identity": {"sourceIp": "203.0.113.7"}, "requestId": "r", "resourcePath": "/api/movies"},
        "isBase64Encoded": false,
    });
    let queue = json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": "{}"}]});
    let balancer = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/", "headers": {},
        "queryStringParameters": {}, "body": "", "isBase64Encoded": false,
    });
    let mut raw: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("no JSON", b"not JSON at all".to_vec()),
        ("half an event", b"{\"version\":\"2.0\",".to_vec()),
        ("no text", vec![0xff, 0xfe, 0x00]),
        ("a deep event", deep.into_bytes()),
    ];
    for (case, event) in [
        ("{}", json!({})),
        ("[]", json!([])),
        ("null", json!(null)),
        ("text", json!("text")),
        ("a number", json!(7)),
        ("payload 1.0", payload_1),
        ("a queue's event", queue),
        ("a load balancer's event", balancer),
    ] {
        raw.push((case, event.to_string().into()));
    }
    for repeatable in test.repeatable_requests() {
        for (case, event) in &raw {
            test.assert_still_works(&repeatable, case, event.clone(), false).await;
        }
        for (case, event) in impossible(&repeatable.event) {
            test.assert_still_works(&repeatable, &case, event.to_string().into(), false).await;
        }
    }
}

/// Checks a response against `openapi.yaml`, which does not describe what only browsers ask for.
fn check_if_described(operation: &str, response: &HttpResponse) {
    if operations::described().any(|described| described.name == operation) {
        contract::check(operation, response);
    }
}

/// Returns events that API Gateway cannot send.
fn impossible(event: &Value) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for place in [
        "/version",
        "/routeKey",
        "/rawPath",
        "/headers",
        "/requestContext",
        "/requestContext/http",
        "/requestContext/http/method",
        "/requestContext/requestId",
        "/requestContext/stage",
        "/isBase64Encoded",
    ] {
        events.push((format!("no {place}"), without(event, place)));
        for value in [json!(null), json!(7), json!("text"), json!(["list"]), json!({"an": "object"})] {
            events.push((format!("{place} = {value}"), changed(event, &[(place, value)])));
        }
    }
    for (place, value) in [
        ("/headers/host", json!(["a", "b"])),
        ("/headers/authorization", json!({"Bearer": "x"})),
        ("/headers/x-anything", json!(null)),
        ("/pathParameters", json!({"id": 7})),
        ("/pathParameters", json!(["id"])),
        ("/rawQueryString", json!(["limit=5"])),
        ("/cookies", json!("a=b")),
        ("/body", json!({"name": "not text"})),
        ("/requestContext/http/method", json!("NO SUCH METHOD")),
        ("/requestContext/http/method", json!("")),
        ("/rawPath", json!("no slash")),
        ("/rawPath", json!("//two/slashes")),
        ("/rawPath", json!("http://elsewhere/api/auth/login")),
        ("/rawPath", json!(format!("/{}", "x".repeat(70_000)))),
        ("/rawQueryString", json!("x".repeat(70_000))),
    ] {
        events.push((format!("{place} = {value:.60}"), changed(event, &[(place, value)])));
    }
    let names =
        json!({"bad name": "x", "": "x", "x:y": "x", "é": "x", "x-line": "a\r\nb: c", "X-UPPER": "x"});
    events.push(("impossible header names".to_owned(), changed(event, &[("/headers", names)])));
    for text in ["!!!", "a", "====", "é", "e30", "e30=\n", "{}"] {
        let change = [("/body", json!(text)), ("/isBase64Encoded", json!(true))];
        events.push((format!("base64 {text:?}"), changed(event, &change)));
    }
    events
}

/// Returns the event with other values at some places, given as JSON pointers.
pub fn changed(event: &Value, changes: &[(&str, Value)]) -> Value {
    let mut event = event.clone();
    for (place, value) in changes {
        let (parent, name) = place.rsplit_once('/').expect("a pointer");
        if let Some(Value::Object(parent)) = event.pointer_mut(parent) {
            parent.insert(name.to_owned(), value.clone());
        }
    }
    event
}

/// Returns the event without the value at a place.
pub fn without(event: &Value, place: &str) -> Value {
    let mut event = event.clone();
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    if let Some(Value::Object(parent)) = event.pointer_mut(parent) {
        parent.remove(name);
    }
    event
}

/// The path, the query, the headers and the body of the request are all as strange as API Gateway allows.
#[tokio::test]
async fn a_request_that_is_strange_everywhere_gets_a_response() {
    let test = StrictInputTest::start().await;
    for repeatable in test.repeatable_requests() {
        let Some((method, path)) = repeatable.event["routeKey"].as_str().and_then(|key| key.split_once(' '))
        else {
            panic!("a route key")
        };
        let strange = segment("<\"é\0../%");
        let path = path.replace("{id}", &strange).replace("{file}", &strange);
        let request = HttpRequest::new(method, &path)
            .query("limit=<\"> |^`{}\u{e9}&%ff=%&cursor=%00")
            .header("X-Forwarded-Proto", "https,http")
            .header("Host", "a b<>\"é")
            .header("Content-Type", "application/json; charset=\u{e9}")
            .header("Cookie", "a=\u{e9}; b; ;=")
            .header("x-forwarded-for", "<script>")
            .bearer("é.\u{1f3ac}.x")
            .body([0xff, 0x00, 0xfe]);
        let (operation, event) = test.app.event(&request);
        let response = test.app.invoke(&operation, &event).await;
        check_if_described(&operation, &response);
        assert!((400..500).contains(&response.status), "{}: {}", repeatable.operation, response.body);
    }
}
