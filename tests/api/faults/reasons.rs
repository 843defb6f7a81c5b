//! A transaction can be canceled for several reasons at once. The client gets the right one.

use local::{
    fault_proxy::{Fault, Rule},
    gateway::HttpResponse,
};
use serde_json::json;

use super::{FaultTest, Scenario, assert_problem};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, USERS, put},
};

const FAILED: &str = "ConditionalCheckFailed";
const CONFLICT: &str = "TransactionConflict";
const NONE: &str = "None";

/// Cancels the scenario's transaction once with these reasons. Returns the response and the number of transactions.
async fn canceled(scenario: Scenario, reasons: &[&'static str]) -> (FaultTest, HttpResponse, usize) {
    let test = FaultTest::new(scenario).await;
    let case = test.case(1).await;
    let before = test.app.table_contents();
    test.app.proxy.clear_calls();
    test.app.proxy.inject(
        Rule::once(Fault::CancellationReasons(reasons.to_vec()))
            .from(scenario.operation())
            .on("TransactWriteItems"),
    );
    let response = test.send(&case).await;
    if response.status != 200 {
        assert_eq!(test.app.table_contents(), before, "{} {reasons:?}", test.name());
    }
    assert_consistent(&test.app);
    let transactions = test.requests().iter().filter(|request| *request == "TransactWriteItems").count();
    (test, response, transactions)
}

/// The condition on the user fails for two reasons. The current state of the user shows which one it was.
#[tokio::test]
async fn the_movie_limit_is_reported_before_a_taken_name() {
    for reasons in [[NONE, FAILED, FAILED], [NONE, NONE, FAILED], [CONFLICT, FAILED, FAILED]] {
        let (_test, response, transactions) = canceled(Scenario::CreateMovie, &reasons).await;
        assert_problem(&response, 403, "movie_limit_reached");
        assert_eq!(transactions, 1, "{reasons:?}");
    }
}

#[tokio::test]
async fn a_deleted_creator_is_reported_before_a_taken_name() {
    let test = FaultTest::new(Scenario::CreateMovie).await;
    test.app.create_movie(&test.ann, "New 1").await;
    let case = test.case(1).await;
    let key = format!("user#{}", test.ann.id);
    let begin_deletion = || test.app.edit_item(USERS, &key, |user| user["status"] = json!({"S": "deleting"}));
    let response = test.app.send_interrupted(case.request, "TransactWriteItems", begin_deletion).await;
    assert_problem(&response, 401, "invalid_token");
}

#[tokio::test]
async fn a_taken_name_or_email_is_409_despite_other_conflicts() {
    for reasons in [[NONE, FAILED, CONFLICT], [CONFLICT, FAILED, NONE], [NONE, FAILED, "ThrottlingError"]] {
        let (_test, response, transactions) = canceled(Scenario::CreateMovie, &reasons).await;
        assert_problem(&response, 409, "movie_name_taken");
        assert_eq!(transactions, 1, "{reasons:?}");
    }
    let (_test, response, transactions) = canceled(Scenario::Signup, &[CONFLICT, FAILED]).await;
    assert_problem(&response, 409, "email_taken");
    assert_eq!(transactions, 1);
    let (_test, response, transactions) = canceled(Scenario::RenameMovie, &[NONE, NONE, FAILED]).await;
    assert_problem(&response, 409, "movie_name_taken");
    assert_eq!(transactions, 1);
    let (_test, response, transactions) = canceled(Scenario::RenameMovie, &[NONE, CONFLICT, FAILED]).await;
    assert_problem(&response, 409, "movie_name_taken");
    assert_eq!(transactions, 1);
}

#[tokio::test]
async fn conflicts_alone_are_retried() {
    let scenarios = [
        (Scenario::Signup, 2),
        (Scenario::CreateMovie, 3),
        (Scenario::RenameMovie, 3),
        (Scenario::DeleteMovie, 3),
    ];
    for (scenario, items) in scenarios {
        let (_test, response, transactions) = canceled(scenario, &vec![CONFLICT; items]).await;
        assert_eq!((response.status, transactions), (200, 2), "{scenario:?}: {}", response.body);
    }
}

/// The movie may have been renamed or deleted, or another request is about to do so. Then its claims are outdated, too.
#[tokio::test]
async fn an_outdated_movie_is_read_again_before_an_error() {
    for (scenario, reasons) in [
        (Scenario::RenameMovie, [FAILED, NONE, FAILED]),
        (Scenario::RenameMovie, [FAILED, FAILED, NONE]),
        (Scenario::RenameMovie, [FAILED, FAILED, FAILED]),
        (Scenario::RenameMovie, [CONFLICT, FAILED, NONE]),
        (Scenario::RenameMovie, [CONFLICT, NONE, FAILED]),
        (Scenario::RenameMovie, [CONFLICT, FAILED, FAILED]),
        (Scenario::DeleteMovie, [FAILED, FAILED, NONE]),
        (Scenario::DeleteMovie, [FAILED, NONE, CONFLICT]),
        (Scenario::DeleteMovie, [CONFLICT, FAILED, NONE]),
    ] {
        let (test, response, transactions) = canceled(scenario, &reasons).await;
        assert_eq!((response.status, transactions), (200, 2), "{scenario:?} {reasons:?}: {}", response.body);
        let [first, .., again, _] = &test.requests()[..] else { panic!("{scenario:?} made no requests") };
        assert_eq!(again, first, "{scenario:?} {reasons:?}");
    }
}

#[tokio::test]
async fn an_outdated_rename_still_reports_a_taken_name() {
    let test = FaultTest::new(Scenario::RenameMovie).await;
    let case = test.case(1).await;
    test.app.create_movie(&test.ann, "Taken").await;
    let before = test.app.table_contents();
    test.app.proxy.inject(
        Rule::once(Fault::CancellationReasons(vec![FAILED, NONE, FAILED]))
            .from("update-movie")
            .on("TransactWriteItems"),
    );
    let request = put(&case.url, &json!({"name": "Taken"})).bearer(&test.ann.token);
    assert_problem(&test.app.send(request).await, 409, "movie_name_taken");
    assert_eq!(test.app.table_contents(), before);
}

/// While another transaction writes the user, a pending account deletion does not show that the table is corrupt.
#[tokio::test]
async fn a_deletion_request_that_meets_another_is_429_or_401() {
    for (session_ends, status, code) in
        [(false, 429, "too_many_concurrent_writes"), (true, 401, "invalid_token")]
    {
        let test = FaultTest::new(Scenario::DeleteAccount).await;
        let case = test.case(1).await;
        if session_ends {
            test.app.edit_user(&case.user.id, |user| user["session_epoch"] = json!({"N": "1"}));
        }
        test.app.proxy.inject(
            Rule::once(Fault::CancellationReasons(vec![CONFLICT, FAILED]))
                .from("delete-account")
                .on("TransactWriteItems"),
        );
        let before = test.app.table_contents();
        assert_problem(&test.send(&case).await, status, code);
        assert_eq!(test.app.table_contents(), before);
    }
}

#[tokio::test]
async fn an_invalid_transaction_is_500_and_not_retried() {
    for (scenario, items) in [
        (Scenario::Signup, 2),
        (Scenario::CreateMovie, 3),
        (Scenario::RenameMovie, 3),
        (Scenario::DeleteMovie, 3),
    ] {
        let mut reasons = vec![NONE; items];
        reasons[0] = "ValidationError";
        let (_test, response, transactions) = canceled(scenario, &reasons).await;
        assert_problem(&response, 500, "internal");
        assert_eq!(transactions, 1, "{scenario:?}");
    }
}

/// A movie and its claim are written together, so only a corrupt table shows this. It must neither be reported as a
/// taken name nor be retried forever.
#[tokio::test]
async fn a_movie_whose_claim_is_gone_is_500() {
    for scenario in [Scenario::RenameMovie, Scenario::DeleteMovie] {
        let test = FaultTest::new(scenario).await;
        let case = test.case(1).await;
        test.app.database.delete_item(MOVIES, json!({"pk": {"S": "name#old 1"}})).expect("deleted");
        let before = test.app.table_contents();
        assert_problem(&test.send(&case).await, 500, "internal");
        assert_eq!(test.app.table_contents(), before);
    }
}
