//! A log that cannot be written breaks nothing.

use local::{
    gateway::HttpResponse,
    runtime_api::{Function, FunctionOptions, Output},
};
use serde_json::json;

use crate::{
    emf,
    test_app::{PASSWORD, TestApp, get, post},
};

#[tokio::test]
async fn requests_get_responses_if_no_log_can_be_written() {
    for format in [emf::JSON, ("AWS_LAMBDA_LOG_FORMAT", "Text")] {
        // This level writes the most.
        let app = TestApp::start_with(1, &[format, ("AWS_LAMBDA_LOG_LEVEL", "TRACE")]).await;
        app.sign_up("ann@example.com").await;
        for &output in Output::FAILING {
            let options = FunctionOptions { output, ..app.options("login") };
            let function = Function::start(options).await.expect("the function starts");
            let login = |password: &str| {
                let body = json!({"email": "ann@example.com", "password": password});
                app.event(&post("/api/auth/login", &body)).1
            };
            for (password, status) in [(PASSWORD, 200), ("a wrong password", 401), (PASSWORD, 200)] {
                let response = HttpResponse::from_outcome(&function.invoke(&login(password)).await);
                assert_eq!(response.status, status, "{format:?} {output:?}: {}", response.body);
            }
            assert!(function.is_alive(), "{format:?} {output:?}: the process continues");
            assert_eq!(function.logs(), [""; 0], "the output is broken");
        }
    }
}

#[tokio::test]
async fn errors_and_purges_work_if_no_log_can_be_written() {
    let app = TestApp::start_with_json_logs().await;
    let broken = |operation| FunctionOptions { output: Output::FAILING[0], ..app.options(operation) };
    let purge = Function::start(broken("purge-account")).await.expect("the function starts");
    let report = local::runtime_api::Outcome::Response(json!({"batchItemFailures": []}));
    assert_eq!(purge.invoke(&json!({})).await, report);
    let list = Function::start(broken("list-movies")).await.expect("the function starts");
    app.proxy.inject(local::fault_proxy::Rule::once(local::fault_proxy::Fault::AccessDenied));
    for status in [500, 200] {
        let response = HttpResponse::from_outcome(&list.invoke(&app.event(&get("/api/movies")).1).await);
        assert_eq!(response.status, status, "{}", response.body);
    }
}
