//! No input of a client becomes a log line, or changes one.

use local::gateway::HttpRequest;
use serde_json::{Value, json};

use crate::test_app::{PASSWORD, TestApp, get, movie, movie_path, post, put, segment};

/// Texts that would end a line and begin another one, or change how a line is displayed.
const FORGERIES: [&str; 7] = [
    "x\n{\"security_event\":\"FORGED\"}",
    "x\r\nINFO request{request_id=1}: shared::telemetry::security_log: security_event=\"FORGED\"",
    "x\",\"security_event\":\"FORGED\",\"y\":\"",
    "x\\\",\\\"FORGED\\\":\\\"",
    "\u{1b}[2K\u{1b}[1AFORGED\u{1b}[0m",
    "security_event=\"FORGED\" reason=\"FORGED\"",
    "\u{2028}{\"FORGED\":1}\u{85}FORGED\u{0}FORGED\u{8}\u{7f}",
];

/// Returns requests with this text everywhere a client can put one.
fn requests(forgery: &str, token: &str, movie_path: &str) -> Vec<HttpRequest> {
    let credentials = |email: &str, password: &str| json!({"email": email, "password": password});
    let named = |name: &str| json!({"name": name, "casts": [name], "genres": [name]});
    let body = |text: &str| {
        HttpRequest::new("POST", "/api/movies").header("content-type", "application/json").body(text)
    };
    vec![
        post("/api/auth/signup", &credentials(forgery, PASSWORD)),
        post("/api/auth/signup", &credentials(&format!("{forgery}@example.com"), PASSWORD)),
        post("/api/auth/login", &credentials(forgery, PASSWORD)),
        post("/api/auth/login", &credentials("nobody@example.com", forgery)),
        post("/api/auth/login", &json!({"email": "x", "password": "x", forgery: forgery})),
        put("/api/auth/password", &json!({"current_password": forgery, "new_password": forgery}))
            .bearer(token),
        put("/api/auth/password", &json!({forgery: 1})).bearer(token),
        post("/api/movies", &named(forgery)).bearer(token),
        post("/api/movies", &json!({forgery: {forgery: [forgery]}})).bearer(token),
        put(movie_path, &named(forgery)).bearer(token),
        body(forgery).bearer(token),
        body(&format!("{{\"name\": {forgery}")).bearer(token),
        get(&format!("/api/movies/{}", segment(forgery))),
        get("/api/movies").query(forgery),
        get("/api/movies").query(format!("limit={}&cursor={0}&{0}=1", segment(forgery))),
        get("/api/movies").query(format!("name_prefix={}", segment(forgery))),
        get("/api/movies").query(format!("added_by={}", segment(forgery))),
        get(movie_path)
            .header("user-agent", forgery)
            .header("x-forwarded-for", forgery)
            .header("host", forgery),
        get(movie_path).header(forgery, forgery).header("cookie", forgery).header("x-amzn-trace-id", forgery),
        get("/api/auth/account").header("authorization", forgery),
        get("/api/auth/account").bearer(forgery),
        post("/api/movies", &movie("Brazil")).bearer(token).header("content-type", forgery),
    ]
}

async fn sends_them_all(app: &TestApp) -> usize {
    let ann = app.create_user("ann").await;
    let path = movie_path(&app.create_movie(&ann, "Alien").await);
    let mut sent = 0;
    for forgery in FORGERIES {
        for request in requests(forgery, &ann.token, &path) {
            let (operation, event) = app.event(&request);
            let response = app.send_event(&operation, &event).await;
            assert!(response.status < 500, "{operation}: {}", response.body);
            let id = event["requestContext"]["requestId"].as_str().expect("an id");
            app.wait_for_log_with(&[id, "request completed"]).await;
            sent += 1;
        }
        app.reset_password_attempts();
    }
    // API Gateway sets the address and the route, so no client controls these.
    for line in app.logs() {
        assert!(!line.contains("FORGED"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    sent
}

#[tokio::test]
async fn input_cannot_forge_a_json_log_line() {
    let app = TestApp::start_with_json_logs().await;
    let sent = sends_them_all(&app).await;
    let lines: Vec<Value> = app
        .logs()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of_event = ["timestamp", "level", "target", "span", "security_event", "reason"];
    let of_end = [
        "timestamp",
        "level",
        "message",
        "operation",
        "route",
        "status",
        "code",
        "milliseconds",
        "cold_start",
        "request_id",
        "trace_id",
        "user_id",
        "_aws",
        "Stage",
        "Operation",
        "Signups",
        "LoginsSucceeded",
        "LoginsFailed",
        "LoginsThrottled",
        "MoviesCreated",
        "ReadCapacityUnits",
        "WriteCapacityUnits",
    ];
    for line in &lines {
        let fields = line.as_object().expect("an object");
        let known: &[&str] = if fields.contains_key("security_event") { &of_event } else { &of_end };
        assert!(fields.keys().all(|field| known.contains(&field.as_str())), "{line}");
        let events =
            ["logged_in", "login_failed", "token_refused", "password_check_failed", "attempt_blocked"];
        let event = line.get("security_event").and_then(Value::as_str);
        assert!(event.is_none_or(|event| events.contains(&event)), "{line}");
    }
    let completed = lines.iter().filter(|line| line["message"] == "request completed").count();
    // Three more requests came before: a signup, a login and a create.
    assert_eq!(completed, sent + 3);
}

/// No client controls these parts of an event. They are still treated as plain text.
#[tokio::test]
async fn names_in_the_event_cannot_forge_a_log_line() {
    let app = TestApp::start_with_json_logs().await;
    for forgery in FORGERIES {
        let (operation, mut event) = app.event(&get("/api/movies"));
        for name in ["routeKey", "requestId"] {
            event["requestContext"][name] = json!(forgery);
        }
        let known = app.logs().len();
        app.send_event(&operation, &event).await;
        // The next request's line comes after all lines of this one.
        let (_, event) = app.event(&get("/api/movies"));
        app.send_event(&operation, &event).await;
        app.wait_for_log(event["requestContext"]["requestId"].as_str().expect("an id")).await;
        let lines = app.logs().split_off(known);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!((&line["route"], &line["request_id"]), (&json!(forgery), &json!(forgery)));
        assert_eq!((line.get("security_event"), &line["operation"]), (None, &json!(operation)));
    }
}

#[tokio::test]
async fn input_cannot_forge_a_text_log_line() {
    let app = TestApp::start().await;
    let sent = sends_them_all(&app).await;
    let lines = app.logs();
    let levels = [" INFO request{", " WARN request{", "ERROR request{"];
    for line in &lines {
        assert!(levels.iter().any(|level| line.starts_with(level)), "{line}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("request completed")).count(), sent + 3);
}
