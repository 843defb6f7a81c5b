//! The requests that each operation makes of DynamoDB when it succeeds, and which of them wait for others. They determine
//! its latency, its price and its role.

use std::time::Duration;

use futures_util::future::join;
use local::fault_proxy::{Fault, Gate, RecordedCall, Rule};
use serde_json::json;

use crate::{
    operations,
    test_app::{NEW_PASSWORD, PASSWORD, TestApp, hashing::LOG_HASHES, post, put},
};

/// How long no further request arrives while all requests of a round trip are held.
const A_MOMENT: Duration = Duration::from_millis(50);

/// Describes a request by everything that determines its price and the permission that it needs.
fn short(call: &RecordedCall) -> String {
    let mut reads = call.body["RequestItems"].as_object().into_iter().flatten().map(|(_, read)| read);
    let is_consistent = call.body["ConsistentRead"] == true
        || call.operation == "BatchGetItem" && reads.all(|read| read["ConsistentRead"] == true);
    let consistent = if is_consistent { " consistently" } else { "" };
    let index = call.index.as_ref().map(|index| format!("/{index}")).unwrap_or_default();
    if call.transaction_items.is_empty() {
        return format!("{} {}{index}{consistent}", call.operation, call.tables.join(" "));
    }
    let items: Vec<_> =
        call.transaction_items.iter().map(|(action, table)| format!("{action} {table}")).collect();
    format!("{}: {}", call.operation, items.join(", "))
}

/// Each round trip is held until all its requests have arrived, so the next one begins only if it depends on none of
/// the requests that are not declared before it.
#[tokio::test]
async fn each_operation_makes_exactly_its_round_trips() {
    let app = TestApp::start().await;
    operations::for_every_call(&app, async |operation, call, request| {
        let name = format!("{} {:?}", operation.name, call.body);
        app.proxy.clear_calls();
        let gates: Vec<Gate> = call.round_trips.iter().map(|_| Gate::new()).collect();
        for (gate, round_trip) in gates.iter().zip(call.round_trips) {
            let held = Rule { times: round_trip.len(), ..Rule::once(Fault::Hold(gate.clone())) };
            app.proxy.inject(held.from(operation.name));
        }
        let stepping = async {
            let mut earlier = 0;
            for (gate, round_trip) in gates.iter().zip(call.round_trips) {
                gate.reached_by(round_trip.len()).await;
                tokio::time::sleep(A_MOMENT).await;
                let mut requests: Vec<String> = app.proxy.calls()[earlier..].iter().map(short).collect();
                let mut expected = round_trip.to_vec();
                requests.sort();
                expected.sort_unstable();
                assert_eq!(requests, expected, "{name}: requests that wait for the same responses");
                earlier += requests.len();
                gate.open();
            }
        };
        let (response, ()) = join(app.send(request), stepping).await;
        assert_eq!(response.status, operation.success(), "{name}: {}", response.body);
        let calls = app.proxy.calls();
        assert!(calls.iter().all(|call| call.caller == operation.name && call.status == 200), "{calls:#?}");
        let declared: usize = call.round_trips.iter().map(|round_trip| round_trip.len()).sum();
        assert_eq!(calls.len(), declared, "{name}: {calls:#?}");
    })
    .await;
}

#[tokio::test]
async fn an_attempt_is_recorded_before_the_password_is_checked() {
    let app = TestApp::start_with(1, &[LOG_HASHES]).await;
    let ann = app.create_user("ann").await;
    let passwords = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let login = post("/api/auth/login", &json!({"email": ann.email, "password": PASSWORD}));
    let change = put("/api/auth/password", &passwords).bearer(&ann.token);
    for (operation, request) in [("login", login), ("change-password", change)] {
        let hashes = || app.logs().iter().filter(|line| line.contains("bcrypt")).count();
        let before = hashes();
        let gate = Gate::new();
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(operation).on("PutItem"));
        let opening = async {
            gate.reached().await;
            tokio::time::sleep(A_MOMENT).await;
            assert_eq!(
                hashes(),
                before,
                "{operation} checked the password of an attempt that is not recorded"
            );
            gate.open();
        };
        let (response, ()) = join(app.send(request), opening).await;
        assert_eq!(response.status, 200, "{}", response.body);
        assert!(hashes() > before, "{operation} logs its hashes");
    }
}
