//! A transaction can be cancelled for several reasons at once; the client is told the right one.

use local::{
    fault_proxy::{Fault, Rule},
    gateway::HttpResponse,
};
use serde_json::json;

use super::{Path, Stage, assert_problem};
use crate::{
    bag::{MOVIES, USERS, put},
    consistency::assert_consistent,
};

const FAILED: &str = "ConditionalCheckFailed";
const CONFLICT: &str = "TransactionConflict";
const NONE: &str = "None";

/// Cancels the path's transaction once with these reasons.
async fn cancelled(path: Path, reasons: &[&'static str]) -> (Stage, HttpResponse, usize) {
    let stage = Stage::new(path).await;
    let case = stage.case(1).await;
    let before = stage.bag.contents();
    stage.bag.proxy.clear_calls();
    stage.bag.proxy.inject(
        Rule::once(Fault::CancellationReasons(reasons.to_vec()))
            .from(path.operation())
            .on("TransactWriteItems"),
    );
    let response = stage.send(&case).await;
    if response.status != 200 {
        assert_eq!(stage.bag.contents(), before, "{} {reasons:?}", stage.name());
    }
    assert_consistent(&stage.bag);
    let transactions = stage.requests().iter().filter(|request| *request == "TransactWriteItems").count();
    (stage, response, transactions)
}

/// The condition at the user fails for two reasons, and the user as they are tells which of them it was.
#[tokio::test]
async fn a_creator_at_the_limit_hears_that_and_not_that_the_name_is_taken() {
    for reasons in [[NONE, FAILED, FAILED], [NONE, NONE, FAILED], [CONFLICT, FAILED, FAILED]] {
        let (_stage, response, transactions) = cancelled(Path::Create, &reasons).await;
        assert_problem(&response, 403, "movie_limit_reached");
        assert_eq!(transactions, 1, "{reasons:?}");
    }
}

#[tokio::test]
async fn a_creator_who_is_gone_hears_that_and_not_that_the_name_is_taken() {
    let stage = Stage::new(Path::Create).await;
    stage.bag.movie(&stage.ann, "New 1").await;
    let case = stage.case(1).await;
    let key = format!("user#{}", stage.ann.id);
    let leave = || stage.bag.edit(USERS, &key, |user| user["status"] = json!({"S": "leaving"}));
    let response = stage.bag.send_interrupted(case.request, "TransactWriteItems", leave).await;
    assert_problem(&response, 401, "invalid_token");
}

#[tokio::test]
async fn a_taken_name_or_email_is_409_whatever_else_is_in_conflict() {
    for reasons in [[NONE, FAILED, CONFLICT], [CONFLICT, FAILED, NONE], [NONE, FAILED, "ThrottlingError"]] {
        let (_stage, response, transactions) = cancelled(Path::Create, &reasons).await;
        assert_problem(&response, 409, "movie_name_taken");
        assert_eq!(transactions, 1, "{reasons:?}");
    }
    let (_stage, response, transactions) = cancelled(Path::Signup, &[CONFLICT, FAILED]).await;
    assert_problem(&response, 409, "email_taken");
    assert_eq!(transactions, 1);
    let (_stage, response, transactions) = cancelled(Path::Rename, &[NONE, NONE, FAILED]).await;
    assert_problem(&response, 409, "movie_name_taken");
    assert_eq!(transactions, 1);
    let (_stage, response, transactions) = cancelled(Path::Rename, &[NONE, CONFLICT, FAILED]).await;
    assert_problem(&response, 409, "movie_name_taken");
    assert_eq!(transactions, 1);
}

#[tokio::test]
async fn conflicts_alone_are_tried_again() {
    let paths = [(Path::Signup, 2), (Path::Create, 3), (Path::Rename, 3), (Path::Delete, 3)];
    for (path, items) in paths {
        let (_stage, response, transactions) = cancelled(path, &vec![CONFLICT; items]).await;
        assert_eq!((response.status, transactions), (200, 2), "{path:?}: {}", response.body);
    }
}

/// The movie may have been renamed or deleted, or somebody is about to: then what its claims say is of the past, too.
#[tokio::test]
async fn a_movie_that_was_outdated_is_read_again_before_anything_is_told() {
    for (path, reasons) in [
        (Path::Rename, [FAILED, NONE, FAILED]),
        (Path::Rename, [FAILED, FAILED, NONE]),
        (Path::Rename, [FAILED, FAILED, FAILED]),
        (Path::Rename, [CONFLICT, FAILED, NONE]),
        (Path::Rename, [CONFLICT, NONE, FAILED]),
        (Path::Rename, [CONFLICT, FAILED, FAILED]),
        (Path::Delete, [FAILED, FAILED, NONE]),
        (Path::Delete, [FAILED, NONE, CONFLICT]),
        (Path::Delete, [CONFLICT, FAILED, NONE]),
    ] {
        let (stage, response, transactions) = cancelled(path, &reasons).await;
        assert_eq!((response.status, transactions), (200, 2), "{path:?} {reasons:?}: {}", response.body);
        let [.., again, _] = &stage.requests()[..] else { panic!("{path:?} made no requests") };
        assert_eq!(again, "GetItem", "{path:?} {reasons:?}");
    }
}

#[tokio::test]
async fn a_rename_that_was_outdated_still_hears_that_the_name_is_taken() {
    let stage = Stage::new(Path::Rename).await;
    let case = stage.case(1).await;
    stage.bag.movie(&stage.ann, "Taken").await;
    let before = stage.bag.contents();
    stage.bag.proxy.inject(
        Rule::once(Fault::CancellationReasons(vec![FAILED, NONE, FAILED]))
            .from("update-movie")
            .on("TransactWriteItems"),
    );
    let request = put(&case.url, &json!({"name": "Taken"})).bearer(&stage.ann.token);
    assert_problem(&stage.bag.send(request).await, 409, "movie_name_taken");
    assert_eq!(stage.bag.contents(), before);
}

#[tokio::test]
async fn a_transaction_that_is_wrong_is_500_and_not_tried_again() {
    for (path, items) in [(Path::Signup, 2), (Path::Create, 3), (Path::Rename, 3), (Path::Delete, 3)] {
        let mut reasons = vec![NONE; items];
        reasons[0] = "ValidationError";
        let (_stage, response, transactions) = cancelled(path, &reasons).await;
        assert_problem(&response, 500, "internal");
        assert_eq!(transactions, 1, "{path:?}");
    }
}

/// The two are written together, so only a broken table shows this. It must neither be told as a taken name nor be
/// tried for ever.
#[tokio::test]
async fn a_movie_whose_claim_is_gone_is_500() {
    for path in [Path::Rename, Path::Delete] {
        let stage = Stage::new(path).await;
        let case = stage.case(1).await;
        stage.bag.database.delete_item(MOVIES, json!({"pk": {"S": "name#old 1"}})).expect("deleted");
        let before = stage.bag.contents();
        assert_problem(&stage.send(&case).await, 500, "internal");
        assert_eq!(stage.bag.contents(), before);
    }
}
