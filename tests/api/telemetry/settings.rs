//! The environment variables of the log.

use local::runtime_api::Function;
use serde_json::Value;

use crate::{
    emf::{self, send},
    test_app::{TestApp, get},
};

#[tokio::test]
async fn the_completion_line_is_written_at_every_level() {
    for (level, events) in [("INFO", 1), ("ERROR", 0)] {
        let app = TestApp::start_with(1, &[emf::JSON, ("AWS_LAMBDA_LOG_LEVEL", level)]).await;
        let (response, line) = send(&app, &get("/api/auth/account").bearer("x")).await;
        assert_eq!((response.status, line["level"].as_str()), (401, Some("INFO")));
        let logged = app.logs().iter().filter(|line| line.contains("token_refused")).count();
        assert_eq!(logged, events, "{level}: {:?}", app.logs());
    }
}

#[tokio::test]
async fn the_stage_comes_from_the_environment() {
    let app = TestApp::start_with_json_logs().await;
    for (given, stage) in [("blue", "blue"), ("", "local")] {
        let mut options = app.options("list-movies");
        options.environment.push(("STAGE".to_owned(), given.to_owned()));
        let function = Function::start(options).await.expect("the function starts");
        function.invoke(&app.event(&get("/api/movies")).1).await;
        let document = emf::first_document(&function).await;
        assert_eq!(emf::measurements_of(&document)[0].dimensions["Stage"], stage);
    }
}

#[tokio::test]
async fn the_release_comes_from_the_environment() {
    let app = TestApp::start_with(1, &[emf::JSON, ("RELEASE", "1763845200")]).await;
    let (_, line) = send(&app, &get("/api/movies")).await;
    assert_eq!(line["release"], "1763845200");
}

#[tokio::test]
async fn the_text_line_is_short_and_has_the_capacity() {
    let app = TestApp::start().await;
    let (_, event) = app.event(&get("/api/movies"));
    app.send_event("list-movies", &event).await;
    let id = event["requestContext"]["requestId"].as_str().expect("an id");
    let line = app.wait_for_log(id).await;
    assert!(serde_json::from_str::<Value>(&line).is_err(), "{line}");
    let (before, after) = line.split_once("milliseconds=").expect("a duration");
    assert_eq!(
        before,
        format!(
            " INFO request{{route=\"GET /api/movies\" request_id=\"{id}\"}}: request completed status=200 "
        )
    );
    assert!(after.ends_with(" read_units=0.5"), "{line}");
}
