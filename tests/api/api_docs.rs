//! `api-docs`: the page about the API, its files, and `openapi.yaml` as JSON.

use std::collections::BTreeSet;

use local::{
    gateway::{HttpRequest, HttpResponse},
    runtime_api::{Function, FunctionOptions},
};
use serde_json::{Value, json};

use crate::{
    contract,
    expect::{decompressed, expect_problem},
    test_app::{TestApp, get},
};

const DOCS: &str = "api-docs";
const PAGE: &str = "/api/docs";
const DESCRIPTION: &str = "/api/openapi.json";

/// The page can run no inline script or style, contact only its own origin, and not be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Sends a request through the gateway. `openapi.yaml` does not describe the response, and as an example it contains the
/// password that no other response may contain.
async fn send(app: &TestApp, request: &HttpRequest) -> HttpResponse {
    let (operation, event) = app.event(request);
    assert_eq!(operation, DOCS);
    invoke(app, &event).await
}

async fn invoke(app: &TestApp, event: &Value) -> HttpResponse {
    HttpResponse::from_outcome(&app.function(DOCS).await.invoke(event).await)
}

async fn read(app: &TestApp, path: &str) -> HttpResponse {
    let response = send(app, &get(path)).await;
    assert_eq!(response.status, 200, "{path}: {}", response.body);
    response
}

/// Returns the values of an attribute of the page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Returns the paths of the page, of all files that it refers to, and of the description.
async fn paths(app: &TestApp) -> BTreeSet<String> {
    let page = read(app, PAGE).await.body;
    let targets = [attributes(&page, "href"), attributes(&page, "src")].concat();
    let files = targets.into_iter().filter_map(|target| target.strip_prefix("docs/"));
    let paths: BTreeSet<String> = files.map(|file| format!("{PAGE}/{file}")).collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    paths.into_iter().chain([PAGE.to_owned(), DESCRIPTION.to_owned()]).collect()
}

fn is_of_swagger_ui(path: &str) -> bool {
    path.contains("swagger-ui")
}

#[tokio::test]
async fn the_description_is_openapi_yaml_at_its_own_origin() {
    let app = TestApp::start().await;
    let response = read(&app, DESCRIPTION).await;
    let mut expected = contract::document().clone();
    expected["servers"] = json!([{"url": "/"}]);
    assert_eq!(response.json(), expected);
    assert_eq!(response.header("content-type"), Some("application/json"));
}

/// The page shows the operations in this order.
#[tokio::test]
async fn the_description_has_the_order_of_openapi_yaml() {
    let app = TestApp::start().await;
    let body = read(&app, DESCRIPTION).await.body;
    let yaml = std::fs::read_to_string("openapi.yaml").expect("openapi.yaml");
    let ids = |text: &str, start: &str| -> Vec<String> {
        let ids = text.split(start).skip(1).filter_map(|rest| rest.split(['\n', '"']).next());
        ids.map(str::to_owned).collect()
    };
    let expected = ids(&yaml, "operationId: ");
    assert_eq!(expected.len(), contract::operations().count());
    assert_eq!(ids(&body, "\"operationId\":\""), expected);
}

#[tokio::test]
async fn every_response_has_the_headers_of_its_kind() {
    let app = TestApp::start().await;
    for path in paths(&app).await {
        let response = read(&app, &path).await;
        let kind = match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("json") => "application/json",
            _ => "text/html; charset=utf-8",
        };
        let caching =
            if is_of_swagger_ui(&path) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut headers: Vec<(&str, &str)> =
            response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.retain(|(name, _)| *name != "etag");
        let expected = [
            ("cache-control", caching),
            ("content-security-policy", POLICY),
            ("content-type", kind),
            ("referrer-policy", "no-referrer"),
            ("vary", "accept-encoding"),
            ("x-content-type-options", "nosniff"),
        ];
        assert_eq!(headers, expected, "{path}");
    }
}

#[tokio::test]
async fn each_file_has_a_tag_of_its_own_and_is_sent_once() {
    let app = TestApp::start().await;
    let mut tags = BTreeSet::new();
    for path in paths(&app).await {
        let first = read(&app, &path).await;
        let tag = first.header("etag").expect("a tag").to_owned();
        // Weak, because the compressed file has the same.
        assert!(tag.starts_with("W/\""), "{tag}");
        for condition in [tag.clone(), "*".to_owned(), format!("\"x\", {}", tag.trim_start_matches("W/"))] {
            for encoding in ["identity", "gzip"] {
                let request =
                    get(&path).header("if-none-match", &condition).header("accept-encoding", encoding);
                let again = send(&app, &request).await;
                assert_eq!((again.status, again.body.as_str()), (304, ""), "{path} {condition}");
                let mut expected = first.headers.clone();
                expected.remove("content-type");
                assert_eq!(again.headers, expected, "{path}");
            }
        }
        let changed = send(&app, &get(&path).header("if-none-match", "\"x\"")).await;
        assert_eq!(changed, first, "{path}");
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 6);
}

#[tokio::test]
async fn every_file_is_compressed_if_the_client_accepts_gzip() {
    let app = TestApp::start().await;
    for path in paths(&app).await {
        let plain = read(&app, &path).await;
        assert_eq!((plain.header("content-encoding"), &plain.binary), (None, &None), "{path}");
        let refused = send(&app, &get(&path).header("accept-encoding", "br, gzip;q=0")).await;
        assert_eq!(refused, plain, "{path}");
        let mut compressed = send(&app, &get(&path).header("accept-encoding", "gzip, br")).await;
        assert_eq!(decompressed(&compressed).body, plain.body, "{path}");
        let bytes = compressed.binary.as_ref().map(Vec::len);
        // A file that fits into one packet is sent as it is.
        let is_small = plain.body.len() < 1024;
        assert_eq!(bytes.is_none(), is_small, "{path}");
        assert!(bytes.is_none_or(|bytes| bytes < plain.body.len() * 2 / 3), "{path}");
        compressed.headers.remove("content-encoding");
        assert_eq!(compressed.headers, plain.headers, "{path}");
    }
}

/// During a gradual release, the page of another release asks for the files of its own version.
#[tokio::test]
async fn a_file_of_another_version_is_not_kept() {
    let app = TestApp::start().await;
    for path in paths(&app).await.iter().filter(|path| is_of_swagger_ui(path)) {
        let current = read(&app, path).await;
        let other = read(&app, &path.replace("5.35.0", "6.0.1")).await;
        assert_eq!(other.header("cache-control"), Some("no-cache"), "{path}");
        assert_eq!(other.header("etag"), current.header("etag"), "{path}");
        assert_eq!(other.body, current.body, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_exist_is_a_problem() {
    let app = TestApp::start().await;
    let long = "x".repeat(4000);
    for name in [
        "index.html",
        "main.rs",
        "swagger-ui.css",
        "swagger-ui-5.35.0.css.gz",
        "swagger-ui-5.35.0.css.map",
        "swagger-ui-5.35.x.css",
        "swagger-ui-bundle-.css",
        "INIT.JS",
        "init.js%00",
        "init.js%20",
        "..%2Fopenapi.json",
        "%2e%2e%2fdocs",
        "..%5C..%5Cinit.js",
        "page%2Finit.js",
        "%25",
        "%3Cscript%3E",
        "%F0%9F%8E%AC",
        "openapi.json",
        &long,
    ] {
        let request = get(&format!("{PAGE}/{name}")).header("if-none-match", "*");
        let response = send(&app, &request).await;
        expect_problem(&response, 404, "file_not_found");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert!(!response.body.contains("script"), "{name}: {}", response.body);
    }
}

/// Names that no gateway passes on.
#[tokio::test]
async fn a_hostile_event_gets_a_response_and_ends_nothing() {
    let app = TestApp::start().await;
    let (_, event) = app.event(&get(&format!("{PAGE}/init.js")));
    for name in
        [json!(""), json!("/"), json!("../init.js"), json!("init.js\n"), json!("\u{0}"), json!("\u{202e}")]
    {
        let mut event = event.clone();
        event["pathParameters"]["file"] = name;
        expect_problem(&invoke(&app, &event).await, 404, "file_not_found");
    }
    let mut without = event.clone();
    without["pathParameters"] = Value::Null;
    assert_eq!(invoke(&app, &without).await.status, 200);
    assert_eq!(app.function(DOCS).await.running_instances(), 1);
}

/// Otherwise the policy would break the page.
#[tokio::test]
async fn the_page_has_no_inline_code_and_no_foreign_address() {
    let app = TestApp::start().await;
    let page = read(&app, PAGE).await.body;
    for target in [attributes(&page, "href"), attributes(&page, "src")].concat() {
        let own = target.starts_with("docs/") || target == "openapi.json";
        assert!(own || target.starts_with("data:image/svg+xml,"), "{target} is not relative");
    }
    assert_eq!(page.matches("<script").count(), page.matches("<script src=\"docs/").count());
    let lower = page.to_lowercase();
    for inline in ["<style", " style=", " onload=", " onclick=", "javascript:", "<base", "<form", "<iframe"] {
        assert!(!lower.contains(inline), "the page contains {inline}");
    }
    for path in paths(&app).await.iter().filter(|path| !is_of_swagger_ui(path) && *path != DESCRIPTION) {
        let body = read(&app, path).await.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!body.contains("://"), "{path} contains an address of another host");
    }
}

/// The function has no access to data, and needs none to start.
#[tokio::test]
async fn it_needs_no_variable_and_no_table() {
    let app = TestApp::start().await;
    let defined = app.template.function(DOCS).expect("the function");
    let variables: Vec<&String> = defined.environment.keys().collect();
    assert_eq!(variables, ["RELEASE", "STAGE"], "these two are only for its log");
    let options = FunctionOptions { environment: Vec::new(), ..app.options(DOCS) };
    let function = Function::start(options).await.expect("the function starts");
    function.ready().await.expect("it is ready");
    for path in paths(&app).await {
        let (_, event) = app.event(&get(&path));
        let response = HttpResponse::from_outcome(&function.invoke(&event).await);
        assert_eq!(response.status, 200, "{path}: {}", response.body);
    }
    assert_eq!(app.proxy.calls().len(), 0);
}
