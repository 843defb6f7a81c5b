//! What the environment says about the log.

use local::runtime_api::Function;
use serde_json::Value;

use crate::{
    bag::{Bag, get},
    emitted::{self, send},
};

#[tokio::test]
async fn the_line_is_written_at_every_level_and_others_are_not() {
    for (level, events) in [("INFO", 1), ("ERROR", 0)] {
        let bag = Bag::start_with(1, &[emitted::JSON, ("AWS_LAMBDA_LOG_LEVEL", level)]).await;
        let (response, line) = send(&bag, &get("/api/auth/account").bearer("x")).await;
        assert_eq!((response.status, line["level"].as_str()), (401, Some("INFO")));
        let logged = bag.logs().iter().filter(|line| line.contains("token_refused")).count();
        assert_eq!(logged, events, "{level}: {:?}", bag.logs());
    }
}

#[tokio::test]
async fn the_stage_is_that_of_the_environment() {
    let bag = Bag::start_with(1, &[emitted::JSON]).await;
    for (given, stage) in [("blue", "blue"), ("", "local")] {
        let mut options = bag.options("list-movies");
        options.environment.push(("STAGE".to_owned(), given.to_owned()));
        let function = Function::start(options).await.expect("the function starts");
        function.invoke(&bag.event(&get("/api/movies")).1).await;
        let document = emitted::first_document(&function).await;
        assert_eq!(emitted::measurements_of(&document)[0].dimensions["Stage"], stage);
    }
}

#[tokio::test]
async fn the_release_is_that_of_the_environment() {
    let bag = Bag::start_with(1, &[emitted::JSON, ("RELEASE", "1763845200")]).await;
    let (_, line) = send(&bag, &get("/api/movies")).await;
    assert_eq!(line["release"], "1763845200");
}

#[tokio::test]
async fn on_ones_own_machine_the_line_is_short_and_tells_the_price() {
    let bag = Bag::start().await;
    let (_, event) = bag.event(&get("/api/movies"));
    bag.send_event("list-movies", &event).await;
    let id = event["requestContext"]["requestId"].as_str().expect("an id");
    let line = bag.logged(id).await;
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
