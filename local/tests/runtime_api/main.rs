//! The Runtime API against `obedient_function.rs`, in real processes.

use std::{collections::BTreeSet, process::Command, time::Duration};

use http_body_util::Empty;
use hyper::{StatusCode, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local::runtime_api::{Function, FunctionOptions, Outcome};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

fn options() -> FunctionOptions {
    FunctionOptions::new("obedient", env!("CARGO_BIN_EXE_obedient_function"))
}

fn response(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Response(value) => value,
        other => panic!("a response expected, not {other:?}"),
    }
}

#[tokio::test]
async fn one_process_handles_events_and_reports_errors() {
    let function = Function::start(options()).await.expect("a function");
    assert_eq!(function.ready().await, Ok(()));
    let first = response(function.invoke(&json!({"hello": 1})).await);
    assert_eq!(first["event"], json!({"hello": 1}));
    let refusal = function.invoke(&json!({"do": "error"})).await;
    let expected = Outcome::Error { error_type: "Refusal".into(), message: "I would rather not".into() };
    assert_eq!(refusal, expected);
    let nonsense = function.invoke(&json!({"do": "nonsense"})).await;
    assert!(
        matches!(nonsense, Outcome::Error { error_type, .. } if error_type == "Runtime.MalformedResponse")
    );
    let raw = response(function.invoke_raw(b"not json".to_vec()).await);
    assert_eq!((&raw["event"], &raw["process"]), (&Value::Null, &first["process"]));
    assert!(function.logs().contains(&r#"event {"hello":1}"#.to_owned()));
    assert!(function.is_alive());
}

#[tokio::test]
async fn only_the_process_can_use_its_runtime_api() {
    let function = Function::start(options()).await.expect("a function");
    let first = response(function.invoke(&json!({})).await);
    let api = first["runtime_api"].as_str().and_then(|api| api.strip_prefix("http://")).expect("an address");
    let (host, secret) = api.split_once('/').expect("a path");
    assert_eq!((host.split(':').next(), secret.len()), (Some("127.0.0.1"), 32));
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    for guessed in ["", "/2018-06-01", "/00000000000000000000000000000000", &format!("/{secret}x")] {
        let uri = format!("http://{host}{guessed}/2018-06-01/runtime/invocation/next");
        let refused = timeout(Duration::from_secs(10), client.get(uri.parse().expect("an address"))).await;
        let refused = refused.expect("it is not an event that is waited for").expect("a response");
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{uri}");
    }
    response(function.invoke(&json!({})).await);
}

#[tokio::test]
async fn invocations_run_in_parallel_in_instances_of_their_own() {
    let options = FunctionOptions { instances: 4, ..options() };
    let function = Function::start(options).await.expect("a function");
    assert_eq!(function.ready().await, Ok(()));
    assert_eq!(four(&function).await.len(), 4);
}

/// Returns the processes that handle four invocations at once.
async fn four(function: &Function) -> BTreeSet<String> {
    let event = json!({"do": "pause"});
    let invoke = || function.invoke(&event);
    let (a, b, c, d) = tokio::join!(invoke(), invoke(), invoke(), invoke());
    [a, b, c, d].map(|outcome| response(outcome)["process"].to_string()).into()
}

#[tokio::test]
async fn on_demand_a_function_grows_when_busy_and_restarts_when_it_has_ended() {
    let options = FunctionOptions { instances: 3, ..options() };
    let function = Function::start_on_demand(options).await.expect("a function");
    assert_eq!(function.ready().await, Ok(()));
    assert_eq!(function.running_instances(), 1);
    assert_eq!((four(&function).await.len(), function.running_instances()), (3, 3));
    while function.is_alive() {
        let crashed = function.invoke(&json!({"do": "exit"})).await;
        assert!(matches!(crashed, Outcome::Crashed { .. }), "{crashed:?}");
    }
    response(function.invoke(&json!({})).await);
    assert_eq!(function.running_instances(), 1);
}

#[tokio::test]
async fn a_process_that_ends_during_an_invocation_has_crashed() {
    let function = Function::start(options()).await.expect("a function");
    let Outcome::Crashed { status, logs } = function.invoke(&json!({"do": "exit"})).await else {
        panic!("a crash")
    };
    assert_eq!(status, "exit status: 7");
    assert_eq!(logs, r#"event {"do":"exit"}"#);
    assert!(matches!(function.invoke(&json!({})).await, Outcome::Crashed { .. }));
    assert!(!function.is_alive());
}

#[tokio::test]
async fn a_failure_at_start_is_reported_at_once() {
    let environment = vec![("FAIL_AT_START".to_owned(), "set JWT_SECRET_KEY".to_owned())];
    let function =
        Function::start(FunctionOptions { environment, instances: 3, ..options() }).await.expect("processes");
    let outcome = function.invoke(&json!({})).await;
    assert_eq!(function.ready().await, Err(outcome.clone()));
    let expected = Outcome::Crashed { status: "exit status: 3".into(), logs: "set JWT_SECRET_KEY".into() };
    assert_eq!(outcome, expected);
}

#[tokio::test]
async fn a_process_out_of_time_is_killed_and_replaced() {
    let timeout = Duration::from_millis(500);
    let function = Function::start(FunctionOptions { timeout, ..options() }).await.expect("a function");
    let before = response(function.invoke(&json!({})).await);
    let start = Instant::now();
    let sleep = json!({"do": "sleep"});
    let expected = (Outcome::TimedOut, vec![format!("event {sleep}")]);
    assert_eq!(function.invoke_with_lines(&sleep).await, expected);
    assert!((timeout..timeout * 10).contains(&start.elapsed()), "{:?}", start.elapsed());
    let after = response(function.invoke(&json!({})).await);
    assert_ne!(before["process"], after["process"]);
    assert_eq!(function.running_instances(), 1);
}

#[tokio::test]
async fn killing_ends_the_current_invocations() {
    let function = Function::start(FunctionOptions { instances: 2, ..options() }).await.expect("a function");
    let sleep = json!({"do": "sleep"});
    let killing = async {
        while function.logs().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        function.kill().await;
        assert_eq!(function.running_instances(), 0);
    };
    let (outcome, ()) = tokio::join!(function.invoke(&sleep), killing);
    assert!(matches!(outcome, Outcome::Crashed { status, .. } if status == "killed"));
}

/// The threads read the lines while others handle the response.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_invocation_gets_all_its_lines_in_order() {
    let function = Function::start(FunctionOptions { instances: 2, ..options() }).await.expect("a function");
    let write = async |name| {
        let event = json!({"do": "write", "name": name});
        let written = (0..5_000).map(|number| format!("\"{name}\" {number}"));
        let expected: Vec<String> = std::iter::once(format!("event {event}")).chain(written).collect();
        let (outcome, lines) = function.invoke_with_lines(&event).await;
        assert_eq!((&response(outcome)["event"], lines), (&event, expected));
    };
    tokio::join!(write("a"), write("b"), write("c"), write("d"));
    for number in 0..500 {
        let event = json!({"number": number});
        assert_eq!(function.invoke_with_lines(&event).await.1, [format!("event {event}")]);
    }
    let end = json!({"do": "exit"});
    assert_eq!(function.invoke_with_lines(&end).await.1, [format!("event {end}")]);
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let error =
        Function::start(FunctionOptions::new("none", "/nowhere/function")).await.err().expect("no binary");
    assert!(format!("{error:#}").contains("/nowhere/function does not run"), "{error:#}");
}

#[test]
fn processes_run_where_few_open_files_are_allowed() {
    let program = std::env::current_exe().expect("this program");
    let limited =
        r#"ulimit -S -n 20 && exec "$0" --exact invocations_run_in_parallel_in_instances_of_their_own"#;
    let output = Command::new("sh").args(["-c", limited]).arg(program).output().expect("a shell");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

#[tokio::test]
#[ignore = "it fails on purpose, for the next test"]
async fn a_test_that_fails() {
    let function = Function::start(options()).await.expect("a function");
    for number in 0..100 {
        response(function.invoke(&json!({"number": number})).await);
    }
    panic!("on purpose");
}

#[test]
fn a_failing_test_shows_the_end_of_the_functions_log() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(["--exact", "a_test_that_fails", "--ignored"]).output();
    let output = output.expect("the program runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "the test was to fail: {shown}");
    assert!(
        shown.contains("---- log of obedient: the last 40 of 100 lines ----"),
        "no log is shown: {shown}"
    );
    for (number, expected) in [(59, false), (60, true), (99, true)] {
        let line = format!("event {{\"number\":{number}}}");
        assert_eq!(shown.lines().any(|shown| shown == line), expected, "the line {line:?} in: {shown}");
    }
}
