//! The completion line of each run, with its metrics.

use std::time::Duration;

use local::fault_proxy::{Fault, Rule};
use serde_json::{Value, json};

use super::{PURGE, account_deletion, create_movies, deliver, request_deletion};
use crate::{
    emf::{self, Measurement},
    test_app::{ACCOUNT_DELETIONS, TestApp, TestUser},
};

/// Returns the completion line of the run with this number, counted from 1.
async fn line(app: &TestApp, run: usize) -> Value {
    let completed =
        || app.logs().into_iter().filter(|line| line.contains("invocation completed")).nth(run - 1);
    let found = async {
        loop {
            if let Some(line) = completed() {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let line = tokio::time::timeout(Duration::from_secs(10), found)
        .await
        .unwrap_or_else(|_| panic!("run {run} logs that it completed"));
    emf::document(&line);
    serde_json::from_str(&line).expect("JSON")
}

async fn scheduled(app: &TestApp) {
    app.function(PURGE).await.invoke(&json!({})).await;
}

/// Returns the value of a metric with these dimensions besides the stage, in this unit.
fn value(line: &Value, name: &str, unit: &str, operation: bool) -> Option<f64> {
    let found: Option<Measurement> = emf::measurements_of(line).into_iter().find(|found| found.name == name);
    let found = found?;
    assert_eq!(found.unit, unit);
    let mut dimensions = vec![("Stage", "local")];
    dimensions.splice(0..0, operation.then_some(("Operation", PURGE)));
    let actual: Vec<(&str, &str)> =
        found.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(actual, dimensions, "{name}");
    Some(found.value)
}

fn backlog(line: &Value) -> Option<(f64, f64)> {
    let age = value(line, "OldestAccountDeletionAge", "Seconds", false);
    value(line, "PendingAccountDeletions", "Count", false).zip(age)
}

fn left_at(app: &TestApp, user: &TestUser, since: &str) {
    let mut item = account_deletion(app, user).expect("an account deletion");
    item["requested_at"]["S"] = json!(since);
    app.database.put_item(ACCOUNT_DELETIONS, item).expect("an item");
}

#[tokio::test]
async fn a_scheduled_run_reports_the_number_and_the_oldest_age() {
    let app = TestApp::start_with_json_logs().await;
    scheduled(&app).await;
    let quiet = line(&app, 1).await;
    assert_eq!(backlog(&quiet), Some((0.0, 0.0)), "{quiet:#}");
    assert_eq!(quiet["cold_start"], true);

    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for user in [&ann, &bob] {
        create_movies(&app, user, 2).await;
        request_deletion(&app, user).await;
    }
    let an_hour_ago = shared::runtime::CLOCK.now().unix_milliseconds() - 3_600_000;
    let since = shared::model::Timestamp::from_unix_milliseconds(an_hour_ago).expect("a time");
    left_at(&app, &ann, &since.to_string());
    scheduled(&app).await;
    let busy = line(&app, 2).await;
    let (account_deletions, age) = backlog(&busy).expect("a backlog");
    assert!((account_deletions - 2.0).abs() < f64::EPSILON && (3_600.0..4_200.0).contains(&age), "{busy:#}");
    assert_eq!(busy["cold_start"], false);

    // A `requested_at` in the future, because of a wrong clock, counts as now.
    let cem = app.create_user("cem").await;
    request_deletion(&app, &cem).await;
    left_at(&app, &cem, "2099-01-01T00:00:00.000Z");
    scheduled(&app).await;
    assert_eq!(backlog(&line(&app, 3).await), Some((1.0, 0.0)));
}

#[tokio::test]
async fn a_run_of_the_stream_reports_capacity_and_no_backlog() {
    let app = TestApp::start_with_json_logs().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    let mut line = line(&app, 1).await;
    assert_eq!(backlog(&line), None);
    // One unit each for the account deletion, the user and two movies, and half a unit for the index.
    assert_eq!(value(&line, "ReadCapacityUnits", "Count", true), Some(4.5));
    // Two movies, two claims and the count, then the user, the claim and the account deletion: two units each, and the
    // two indexes of each movie.
    assert_eq!(value(&line, "WriteCapacityUnits", "Count", true), Some(20.0));
    for (name, told) in [
        ("level", "INFO"),
        ("message", "invocation completed"),
        ("operation", PURGE),
        ("Operation", PURGE),
        ("Stage", "local"),
    ] {
        assert_eq!(line[name].take(), told, "{line:#}");
    }
    assert!(line["request_id"].is_string() && line["milliseconds"].is_u64(), "{line:#}");
    assert!(line["trace_id"].as_str().is_some_and(|trace| trace.starts_with("1-")), "{line:#}");
    for name in ["route", "status", "code", "cause", "user_id"] {
        assert_eq!(line.get(name), None, "{line:#}");
    }
    // Other lines of the run have the same id.
    let progress: Value =
        serde_json::from_str(&app.wait_for_log("account_deletion_progress").await).expect("JSON");
    assert_eq!(progress["span"]["request_id"], line["request_id"]);
}

#[tokio::test]
async fn a_run_that_cannot_scan_logs_the_cause() {
    let app = TestApp::start_with_json_logs().await;
    app.proxy.inject(Rule::once(Fault::AccessDenied).from(PURGE));
    scheduled(&app).await;
    let line = line(&app, 1).await;
    assert_eq!(line["level"], "ERROR");
    let cause = line["cause"].as_str().expect("a cause");
    assert!(cause.starts_with("DynamoDB refused the request: "), "{cause}");
    assert_eq!(backlog(&line), None);
}
