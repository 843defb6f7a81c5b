//! The members of the completion line, for each kind of outcome.

use local::fault_proxy::{Fault, Rule};
use serde_json::{Value, json};

use super::text;
use crate::{
    emf::{self, send},
    test_app::{PASSWORD, TestApp, USERS, get, movie, movie_path, post},
};

/// Removes the members of a line that differ from run to run, after checking them.
fn settled(mut line: Value) -> Value {
    let now = shared::runtime::CLOCK.now();
    let members = line.as_object_mut().expect("an object");
    let time = members.remove("timestamp").expect("a timestamp");
    let time = shared::model::Timestamp::parse(time.as_str().expect("a text")).expect("RFC 3339 in UTC");
    assert!(now.since(time).as_secs() < 600 && time.since(now).is_zero(), "{time} is not now, {now}");
    let milliseconds = members.remove("milliseconds").expect("a duration");
    assert!(milliseconds.as_i64().is_some_and(|duration| (0..60_000).contains(&duration)), "{milliseconds}");
    let trace = members.remove("trace_id").expect("a trace");
    let form = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = trace.as_str().expect("a text").split('-').collect();
    assert!(parts[0] == "1" && form(parts[1], 8) && form(parts[2], 24) && parts.len() == 3, "{trace}");
    if let Some(metadata) = members.get_mut("_aws") {
        assert_eq!(metadata["Timestamp"].take(), time.unix_milliseconds());
    }
    line
}

#[tokio::test]
async fn the_line_of_a_read_has_its_status_and_capacity() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let path = movie_path(&app.create_movie(&ann, "Alien").await);
    for cold_start in [true, false, false] {
        let (operation, event) = app.event(&get(&path));
        app.send_event(&operation, &event).await;
        let id = event["requestContext"]["requestId"].as_str().expect("an id");
        let line = app.wait_for_log_with(&[id, "request completed"]).await;
        let directive = json!({
            "Namespace": "MovieBag",
            "Dimensions": [["Stage", "Operation"]],
            "Metrics": [{"Name": "ReadCapacityUnits", "Unit": "Count"}],
        });
        let expected = json!({
            "level": "INFO",
            "message": "request completed",
            "operation": "get-movie",
            "route": "GET /api/movies/{id}",
            "status": 200,
            "cold_start": cold_start,
            "request_id": id,
            "_aws": {"Timestamp": null, "CloudWatchMetrics": [directive]},
            "Stage": "local",
            "Operation": "get-movie",
            "ReadCapacityUnits": 1.0,
        });
        assert_eq!(settled(serde_json::from_str(&line).expect("JSON")), expected);
    }
}

#[tokio::test]
async fn the_line_of_a_write_has_its_user_and_both_dimension_sets() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let (response, line) = send(&app, &post("/api/movies", &movie("Alien")).bearer(&ann.token)).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let mut line = settled(line);
    assert!(line["request_id"].take().is_string(), "the line names the request: {line:#}");
    let of_stage = json!({
        "Namespace": "MovieBag",
        "Dimensions": [["Stage"]],
        "Metrics": [{"Name": "MoviesCreated", "Unit": "Count"}],
    });
    let of_operation = json!({
        "Namespace": "MovieBag",
        "Dimensions": [["Stage", "Operation"]],
        "Metrics": [{"Name": "WriteCapacityUnits", "Unit": "Count"}],
    });
    let expected = json!({
        "level": "INFO",
        "message": "request completed",
        "operation": "create-movie",
        "route": "POST /api/movies",
        "status": 200,
        "cold_start": true,
        "request_id": null,
        "user_id": ann.id,
        "_aws": {"Timestamp": null, "CloudWatchMetrics": [of_stage, of_operation]},
        "Stage": "local",
        "Operation": "create-movie",
        "MoviesCreated": 1.0,
        "WriteCapacityUnits": 8.0,
    });
    assert_eq!(line, expected);
}

#[tokio::test]
async fn the_line_of_a_refusal_has_its_code() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let (response, line) = send(&app, &get("/api/auth/account")).await;
    let expected = json!({
        "level": "INFO",
        "message": "request completed",
        "operation": "get-account",
        "route": "GET /api/auth/account",
        "status": 401,
        "code": "missing_token",
        "cold_start": true,
        "request_id": text(&response, "request_id"),
    });
    assert_eq!(settled(line), expected);

    app.create_movie(&ann, "Alien").await;
    let (response, line) = send(&app, &post("/api/movies", &movie("Alien")).bearer(&ann.token)).await;
    let line = settled(line);
    assert_eq!((response.status, &line["code"]), (409, &json!("movie_name_taken")));
    assert_eq!((&line["level"], &line["user_id"], line.get("cause")), (&json!("INFO"), &json!(ann.id), None));
    // The check of the token. The refused transaction reports no units.
    assert_eq!(emf::values(&line), [("ReadCapacityUnits".to_owned(), 1.0)].into());
}

#[tokio::test]
async fn the_line_of_a_fault_has_its_cause_and_level() {
    let app = TestApp::start_with_json_logs().await;
    for (fault, status, level, code, cause) in [
        (Fault::AccessDenied, 500, "ERROR", "internal", "DynamoDB refused the request: "),
        (Fault::ServerError, 503, "WARN", "unavailable", "DynamoDB is unavailable: "),
    ] {
        app.proxy.inject(Rule::always(fault));
        let (response, line) = send(&app, &get("/api/movies")).await;
        app.proxy.clear_rules();
        let line = settled(line);
        assert_eq!((response.status, &line["status"]), (status, &json!(status)));
        assert_eq!((&line["level"], &line["code"]), (&json!(level), &json!(code)), "{line}");
        assert!(line["cause"].as_str().is_some_and(|told| told.starts_with(cause)), "{line}");
        let internal: &[&str] = if status == 500 { &["InternalErrors"] } else { &[] };
        let expected = ["DatabaseErrors", "ServerErrors"].iter().chain(internal);
        let expected = expected.map(|name| ((*name).to_owned(), 1.0)).collect();
        assert_eq!(emf::values(&line), expected);
    }
}

#[tokio::test]
async fn a_new_process_starts_cold() {
    let mut app = TestApp::start_with_json_logs().await;
    let cold = |line: &Value| line["cold_start"].as_bool();
    assert_eq!(cold(&send(&app, &get("/api/movies")).await.1), Some(true));
    assert_eq!(cold(&send(&app, &get("/api/movies")).await.1), Some(false));
    app.kill("list-movies").await;
    assert_eq!(cold(&send(&app, &get("/api/movies")).await.1), Some(true));
}

#[tokio::test]
async fn a_user_is_not_carried_over_to_the_next_request() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    let login = |email: &str| post("/api/auth/login", &json!({"email": email, "password": PASSWORD}));
    let (_, line) = send(&app, &login(&ann.email)).await;
    assert_eq!(line["user_id"], ann.id);
    let (_, line) = send(&app, &login("nobody@example.com")).await;
    assert_eq!((line.get("user_id"), app.count(USERS, "user#")), (None, 1));
    let line: Option<Value> = app.logs().iter().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["operation"] == "signup").then_some(line)
    });
    assert_eq!(line.expect("a line")["route"], "POST /api/auth/signup");
}

/// Every document that functions emit in use follows the specification of the format.
#[tokio::test]
async fn every_document_names_the_stage_and_its_own_operation() {
    let app: TestApp = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "Alien").await;
    send(&app, &get("/api/movies")).await;
    let documents = emf::documents(&app);
    let operations: Vec<&str> = documents.iter().filter_map(|line| line["operation"].as_str()).collect();
    assert_eq!(operations.len(), 4, "{operations:?}");
    for line in &documents {
        assert_eq!(line["operation"], line["Operation"]);
        for measurement in emf::measurements_of(line) {
            assert_eq!(measurement.namespace, "MovieBag");
            assert_eq!(measurement.dimensions["Stage"], "local", "{measurement:?}");
        }
    }
    let measured = emf::measurements(&documents).len();
    assert!(measured > operations.len(), "{measured} measurements of {} operations", operations.len());
}
