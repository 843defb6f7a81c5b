//! Requests that DynamoDB refuses permanently: a 500, which is logged once and not retried.

use futures_util::future::join_all;
use local::fault_proxy::Fault;

use super::{FaultTest, Scenario, assert_problem, scenarios, until};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn denied_access_is_500_logged_once_and_not_retried() {
    join_all(
        scenarios()
            .into_iter()
            .map(|scenario| is_refused(scenario, Fault::AccessDenied, "AccessDeniedException")),
    )
    .await;
}

#[tokio::test]
async fn a_missing_table_is_500_logged_once_and_not_retried() {
    join_all(
        scenarios()
            .into_iter()
            .map(|scenario| is_refused(scenario, Fault::TableMissing, "ResourceNotFoundException")),
    )
    .await;
}

async fn is_refused(scenario: Scenario, fault: Fault, exception: &str) {
    let test = FaultTest::new(scenario).await;
    for index in scenario.places() {
        let name = format!("{} at request {index}", test.name());
        let case = test.case(index).await;
        let before = test.app.table_contents();
        let function = test.app.function(scenario.operation()).await;
        let logged = function.logs().len();
        test.app.proxy.clear_calls();
        test.inject(fault.clone(), index, usize::MAX);
        let response = test.send(&case).await;

        assert_problem(&response, 500, "internal");
        let mut problem = response.json();
        let request_id = problem["request_id"].take();
        // The problem has no message, name or type of ours or of AWS.
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(problem, @r#"
            {
              "code": "internal",
              "detail": "Something went wrong on our side",
              "error": "Something went wrong on our side",
              "request_id": null,
              "status": 500,
              "title": "Internal Server Error"
            }
            "#);
        }
        let refused = test.app.proxy.calls_of(scenario.operation());
        let refused: Vec<_> = refused.iter().filter(|call| call.status == 400).collect();
        assert!(!refused.is_empty(), "{name}");
        for (place, call) in refused.iter().enumerate() {
            let again = refused[..place].iter().any(|earlier| earlier.body == call.body);
            assert!(!again, "{name}: tried again: {call:?}");
        }
        // Concurrent requests complete. No other requests follow.
        if scenario.is_sequential() {
            assert_eq!(test.requests(), scenario.requests()[..=index], "{name}");
        }
        assert_eq!(test.app.table_contents(), before, "{name}");

        test.app.proxy.clear_rules();
        assert_eq!(test.send(&case).await.status, scenario.success(), "{name}");
        assert_eq!(function.running_instances(), 1, "{name}");
        assert_consistent(&test.app);

        // The completion line of the second request comes after the lines of the first one.
        let completed = |line: &&String| line.contains("request completed");
        until("the line of each of two requests", || {
            function.logs()[logged..].iter().filter(completed).count() == 2
        })
        .await;
        let lines = &function.logs()[logged..];
        let errors: Vec<&String> = lines.iter().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{name}: {lines:?}");
        assert!(errors[0].contains(exception), "{name}: the log does not say why: {}", errors[0]);
        assert!(errors[0].contains(request_id.as_str().expect("an id")), "{name}: {}", errors[0]);
        assert_eq!(lines.iter().filter(|line| line.contains(exception)).count(), 1, "{name}: {lines:?}");
    }
}
