//! Resets at the same time as other resets. `tests/api/revocation/races.rs` has those with other ends of sessions.

use futures_util::future::{join, join_all};
use local::fault_proxy::{Fault, Gate, Rule};

use crate::{
    consistency::assert_consistent,
    expect::expect_problem,
    test_app::{NEW_PASSWORD, PASSWORD_RESETS, TestApp, USERS, reset_password},
};

/// Each request runs in a process of its own. All have found the token before the first of them writes.
#[tokio::test]
async fn of_fifty_resets_with_one_token_one_succeeds() {
    let app = TestApp::start().await;
    app.start_many("reset-password", 50).await;
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    let gate = Gate::new();
    let held = Rule { times: 50, ..Rule::once(Fault::Hold(gate.clone())) };
    app.proxy.inject(held.from("reset-password").on("TransactWriteItems"));
    let opened = async {
        gate.reached_by(50).await;
        gate.open();
    };
    let passwords: Vec<String> = (0..50).map(|number| format!("the new password {number}")).collect();
    let resets = join_all(passwords.iter().map(|password| app.send(reset_password(&token, password))));
    let (responses, ()) = join(resets, opened).await;
    let succeeded: Vec<usize> = (0..50).filter(|index| responses[*index].status == 200).collect();
    let refused = responses.iter().filter(|response| response.status != 200);
    for response in refused {
        expect_problem(response, 403, "invalid_reset_token");
    }
    let [winner] = succeeded[..] else { panic!("{} resets succeeded", succeeded.len()) };
    assert_eq!(app.log_in(&ann.email, &passwords[winner]).await.status, 200);
    let user = app.item(USERS, &format!("user#{}", ann.id)).expect("the user");
    assert_eq!(user["session_epoch"]["N"], "1");
    assert_eq!(app.outbox().len(), 1, "one notice");
    assert_eq!(app.database.items(PASSWORD_RESETS).expect("items").len(), 0);
    assert_consistent(&app);
}

/// DynamoDB refuses concurrent transactions with the same items. The SDK repeats them.
#[tokio::test]
async fn conflicting_resets_are_not_an_error() {
    let app = TestApp::start().await;
    for position in 0..4 {
        let ann = app.create_user(&format!("ann{position}")).await;
        let token = app.issue_reset_token(&ann);
        let conflicts = Rule { times: 3, ..Rule::once(Fault::TransactionConflict { position }) };
        app.proxy.inject(conflicts.from("reset-password").on("TransactWriteItems"));
        assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
    }
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    app.proxy.inject(
        Rule::always(Fault::TransactionConflict { position: 0 })
            .from("reset-password")
            .on("TransactWriteItems"),
    );
    let response = app.reset_password(&token, NEW_PASSWORD).await;
    expect_problem(&response, 429, "too_many_concurrent_writes");
}
