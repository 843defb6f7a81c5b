//! The requests that each operation makes of DynamoDB when it succeeds. They determine its price and its role.

use local::fault_proxy::RecordedCall;
use serde_json::json;

use crate::{
    operations,
    test_app::{NEW_PASSWORD, PASSWORD, PASSWORD_ATTEMPTS, TestApp, post, put},
};

/// Describes a request by everything that determines its price and the permission that it needs.
fn short(call: &RecordedCall) -> String {
    let consistent = if call.body["ConsistentRead"] == true { " consistently" } else { "" };
    let index = call.index.as_ref().map(|index| format!("/{index}")).unwrap_or_default();
    if call.transaction_items.is_empty() {
        return format!("{} {}{index}{consistent}", call.operation, call.tables.join(" "));
    }
    let items: Vec<_> =
        call.transaction_items.iter().map(|(action, table)| format!("{action} {table}")).collect();
    format!("{}: {}", call.operation, items.join(", "))
}

#[tokio::test]
async fn each_operation_makes_exactly_its_requests() {
    let app = TestApp::start().await;
    operations::for_every_call(&app, async |operation, call, request| {
        let name = operation.name;
        app.proxy.clear_calls();
        let response = app.send(request).await;
        assert_eq!(response.status, operation.success(), "{name}: {}", response.body);
        let calls = app.proxy.calls();
        assert!(calls.iter().all(|call| call.caller == name && call.status == 200), "{calls:#?}");
        let mut requests: Vec<String> = calls.iter().map(short).collect();
        let mut expected = call.requests.to_vec();
        if expected.iter().any(|request| request.contains(PASSWORD_ATTEMPTS)) {
            // Some of them are concurrent.
            requests.sort();
            expected.sort_unstable();
        }
        assert_eq!(requests, expected, "{name} {:?}", call.body);
    })
    .await;
}

/// Some of the requests are concurrent. Still, the attempt is counted before the password is checked, and the count is
/// reverted before anything else happens.
#[tokio::test]
async fn an_attempt_is_counted_before_the_password_is_checked() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let passwords = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.proxy.clear_calls();
    let login = json!({"email": ann.email, "password": PASSWORD});
    app.send(post("/api/auth/login", &login)).await;
    app.send(put("/api/auth/password", &passwords).bearer(&ann.token)).await;
    for operation in ["login", "change-password"] {
        let requests: Vec<String> =
            app.proxy.calls_of(operation).into_iter().map(|call| call.operation).collect();
        let place = |name: &str| requests.iter().position(|request| request == name).expect("a request");
        let updates_before = |end: usize| requests[..end].iter().filter(|name| *name == "UpdateItem").count();
        assert_eq!(updates_before(place("PutItem")), 2, "{operation}: {requests:?}");
        assert!(place("PutItem") < place("DeleteItem"), "{operation}: {requests:?}");
        let last = if operation == "login" { "UpdateItem DeleteItem" } else { "UpdateItem" };
        assert!(last.contains(requests.last().expect("a request").as_str()), "{operation}: {requests:?}");
    }
}
