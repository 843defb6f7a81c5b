//! The alarms that roll a release back: no client can trigger them, and a broken release does.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    runtime_api::{Function, FunctionOptions, Outcome},
    template::Template,
};
use serde_json::{Value, json};

use super::{
    Watched,
    evaluation::{Datapoints, goes_off, is_on},
    meaning, of_type, text, watched,
};
use crate::{
    emf,
    operations::{self, Caller},
    test_app::{PASSWORD, TestApp, get, movie, post},
};

/// Returns the metric of an AWS service for one resource.
fn of_service(namespace: &str, name: &str, dimension: &str, resource: &str) -> Watched {
    let dimensions = [(dimension.to_owned(), resource.to_owned())];
    (namespace.to_owned(), name.to_owned(), dimensions.into())
}

fn of_lambda(name: &str, function: &str) -> Watched {
    of_service("AWS/Lambda", name, "FunctionName", function)
}

/// The data that CloudWatch has of a system.
struct Watch {
    template: Template,
    datapoints: Datapoints,
}

impl Watch {
    fn new() -> Self {
        let template = Template::load("template.yaml").expect("template.yaml is readable");
        Self { template, datapoints: Datapoints::default() }
    }

    /// Records what API Gateway counts of responses in a minute.
    fn answered(&mut self, minute: usize, statuses: impl IntoIterator<Item = u16>) {
        for status in statuses {
            for (name, counts) in [("4xx", (400..500).contains(&status)), ("5xx", status >= 500)] {
                let metric = of_service("AWS/ApiGateway", name, "ApiId", "Api");
                self.datapoints.add(metric, minute, f64::from(u8::from(counts)));
            }
        }
    }

    /// Records what Lambda counts of a call: an error unless the function returned a response.
    fn called(&mut self, minute: usize, operation: &str, outcome: &Outcome) {
        let failed = match outcome {
            Outcome::Response(_) => 0.0,
            Outcome::Error { .. } | Outcome::Crashed { .. } | Outcome::TimedOut => 1.0,
        };
        let function = self.template.function(operation).expect("a function").logical_id.clone();
        self.datapoints.add(of_lambda("Errors", &function), minute, failed);
    }

    /// Records the metrics in all log lines of a system so far.
    fn emitted(&mut self, minute: usize, app: &TestApp) {
        for metric in emf::measurements(&emf::documents(app)) {
            self.datapoints.add((metric.namespace, metric.name, metric.dimensions), minute, metric.value);
        }
    }

    /// Returns an alarm by the end of its name.
    fn alarm(&self, name: &str) -> &Value {
        let name = format!("${{AWS::StackName}}-{name}");
        let mut alarms = of_type(&self.template, "AWS::CloudWatch::Alarm");
        alarms
            .find(|alarm| alarm["AlarmName"]["Fn::Sub"] == *name)
            .unwrap_or_else(|| panic!("no alarm {name}"))
    }

    fn goes_off(&self, name: &str) -> bool {
        goes_off(self.alarm(name), &self.datapoints)
    }

    /// Returns the names of the alarms that go off and roll a release back.
    fn rollbacks(&self) -> Vec<String> {
        let names = watched_by_rollouts(&self.template);
        names.into_iter().filter(|name| self.goes_off(name)).collect()
    }
}

/// Returns the ends of the names of the alarms that a gradual release watches: those of every function, and those of the
/// optional functions alone.
fn watched_by_rollouts(template: &Template) -> Vec<String> {
    let of_all = &template.document()["Globals"]["Function"];
    let functions = std::iter::once(of_all).chain(of_type(template, "AWS::Serverless::Function"));
    let alarms = functions.filter_map(|function| function["DeploymentPreference"]["Alarms"].as_array());
    let names: BTreeSet<String> = alarms.flatten().map(|name| text(&name["Fn::Sub"])).collect();
    names
        .into_iter()
        .map(|name| name.strip_prefix("${AWS::StackName}-").expect("a name of the stack").to_owned())
        .collect()
}

#[test]
fn rollouts_watch_every_function_and_our_500s_only() {
    let watch = Watch::new();
    let names = watched_by_rollouts(&watch.template);
    assert!((1..=10).contains(&names.len()), "CodeDeploy supports at most ten alarms: {names:?}");
    let mut metrics = BTreeSet::new();
    for name in &names {
        let alarm = watch.alarm(name);
        match alarm["Metrics"].as_array() {
            None => drop(metrics.insert(watched(alarm))),
            Some(parts) => metrics.extend(
                parts
                    .iter()
                    .filter(|part| part["MetricStat"].is_object())
                    .map(|part| watched(&part["MetricStat"]["Metric"])),
            ),
        }
    }
    let functions = watch.template.functions().iter();
    let mut expected: BTreeSet<Watched> =
        functions.map(|function| of_lambda("Errors", &function.logical_id)).collect();
    expected.insert(of_service("MovieBag", "InternalErrors", "Stage", &meaning(&json!({"Ref": "Stage"}))));
    assert_eq!(metrics, expected);
}

#[tokio::test]
async fn conflicting_writes_of_one_user_roll_nothing_back() {
    let mut watch = Watch::new();
    let app = TestApp::start_with(6, &[emf::JSON]).await;
    let (app, ann) = (&app, &app.create_user("ann").await);
    app.proxy.inject(Rule::always(Fault::TransactionConflict { position: 2 }).from("create-movie"));
    let creates = (0..12).map(|number| async move {
        let create = post("/api/movies", &movie(&format!("Alien {number}"))).bearer(&ann.token);
        emf::send(app, &create).await.0.status
    });
    let statuses = join_all(creates).await;
    // Neither 429 nor 503 is caused by the release.
    assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
    for minute in 0..10 {
        watch.answered(minute, statuses.clone());
        watch.emitted(minute, app);
        watch.called(minute, "create-movie", &Outcome::Response(json!({})));
    }
    assert_eq!(watch.rollbacks(), [""; 0]);
}

#[tokio::test]
async fn a_throttling_database_alarms_but_rolls_nothing_back() {
    let mut watch = Watch::new();
    let app = TestApp::start_with_json_logs().await;
    app.proxy.inject(Rule::always(Fault::Throttle));
    let (response, _) = emf::send(&app, &get("/api/movies")).await;
    assert_eq!(response.status, 503);
    for minute in 0..10 {
        for _ in 0..20 {
            watch.answered(minute, [503]);
            watch.emitted(minute, &app);
        }
    }
    assert_eq!(watch.rollbacks(), [""; 0]);
    assert!(watch.goes_off("server-errors"), "clients notice, so an alarm goes off");
}

#[test]
fn throttled_calls_alarm_but_roll_nothing_back() {
    let mut watch = Watch::new();
    let functions: Vec<String> =
        watch.template.functions().iter().map(|function| function.logical_id.clone()).collect();
    for minute in 0..10 {
        for function in &functions {
            // Lambda counts a throttled call neither as a call nor as an error. API Gateway responds with 503.
            watch.datapoints.add(of_lambda("Throttles", function), minute, 50.0);
            watch.datapoints.add(of_lambda("Errors", function), minute, 0.0);
            watch.answered(minute, [503; 50]);
        }
    }
    assert_eq!(watch.rollbacks(), [""; 0]);
    for told in ["throttles", "hashing-throttles", "mail-throttles", "server-errors"] {
        assert!(watch.goes_off(told), "{told}");
    }
}

#[tokio::test]
async fn a_release_whose_function_exits_at_start_is_rolled_back() {
    let template = Watch::new().template;
    let app = TestApp::start().await;
    for function in template.functions() {
        let operation = function.operation.as_str();
        let mut options = app.options(operation);
        if operations::find(operation).caller == Caller::Browser {
            // It starts without any variable, so a program that only exits stands for a broken release of it.
            options.binary = "/bin/false".into();
        }
        options.environment.retain(|(name, _)| !name.ends_with("_TABLE"));
        let mut watch = Watch::new();
        let broken = Function::start(options).await.expect("a process");
        for _ in 0..3 {
            let outcome = broken.invoke(&json!({})).await;
            assert!(matches!(outcome, Outcome::Crashed { .. }), "{operation}: {outcome:?}");
            watch.called(7, operation, &outcome);
        }
        assert_eq!(watch.rollbacks().len(), 1, "{operation}");
    }
}

#[tokio::test]
async fn a_release_whose_function_runs_out_of_time_is_rolled_back() {
    let mut watch = Watch::new();
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "15")]).await;
    // Hashing takes longer than the function's time limit and blocks its only thread, so there is no response in time.
    let options = FunctionOptions { timeout: Duration::from_millis(600), ..app.options("signup") };
    let slow = Function::start(options).await.expect("a process");
    for number in 0..3 {
        let body = json!({"email": format!("ann{number}@example.com"), "password": PASSWORD});
        let outcome = slow.invoke(&app.event(&post("/api/auth/signup", &body)).1).await;
        assert_eq!(outcome, Outcome::TimedOut);
        watch.called(0, "signup", &outcome);
    }
    assert_eq!(watch.rollbacks(), ["account-errors"]);
}

#[tokio::test]
async fn a_release_that_answers_500_is_rolled_back() {
    let mut watch = Watch::new();
    let app = TestApp::start_with_json_logs().await;
    app.proxy.inject(Rule::always(Fault::AccessDenied));
    for _ in 0..3 {
        let (response, _) = emf::send(&app, &get("/api/movies")).await;
        assert_eq!(response.status, 500);
        watch.called(0, "list-movies", &Outcome::Response(json!({})));
    }
    watch.emitted(0, &app);
    assert_eq!(watch.rollbacks(), ["internal-errors"]);
}

#[test]
fn three_failed_calls_a_minute_roll_back_and_two_do_not() {
    let failed = Outcome::TimedOut;
    let mut watch = Watch::new();
    assert_eq!(watch.rollbacks(), [""; 0], "without any call");
    for minute in 0..10 {
        watch.called(minute, "login", &failed);
        watch.called(minute, "signup", &failed);
        watch.called(minute, "get-movie", &failed);
    }
    assert_eq!(watch.rollbacks(), [""; 0], "with two and one failed calls a minute");
    watch.called(5, "logout", &failed);
    assert_eq!(watch.rollbacks(), ["account-errors"]);
    let on: Vec<usize> =
        (0..20).filter(|now| is_on(watch.alarm("account-errors"), &watch.datapoints, *now)).collect();
    assert_eq!(on, [5, 6, 7], "metrics may be two minutes late; then the alarm ends");
}
