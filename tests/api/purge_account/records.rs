//! Records that are repeated, late, out of order or malformed.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    account_deletion, account_deletions, assert_gone, create_movies, deliver, failures, request_deletion,
    sequence_number, stream, wait_for_error,
};
use crate::{
    consistency::assert_consistent,
    test_app::{ACCOUNT_DELETIONS, TestApp, USERS},
};

#[tokio::test]
async fn repeated_and_reordered_records_change_nothing() {
    let app = TestApp::start().await;
    let bob = app.create_user("bob").await;
    create_movies(&app, &bob, 3).await;
    let before = app.table_contents();
    let (ann, cem) = (app.create_user("ann").await, app.create_user("cem").await);
    create_movies(&app, &ann, 60).await;
    create_movies(&app, &cem, 2).await;
    let (first, second) = (request_deletion(&app, &ann).await, request_deletion(&app, &cem).await);

    assert_eq!(deliver(&app, &[&second, &first, &first, &second]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);
    app.proxy.clear_calls();
    assert_eq!(deliver(&app, &[&first, &second]).await, [""; 0]);
    assert_eq!(super::requests(&app), ["GetItem AccountDeletionsTable"; 2], "there is nothing left to do");
    assert_eq!(app.table_contents(), before);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_record_given_to_several_instances_does_not_fail() {
    let app = TestApp::start().await;
    app.start_many(super::PURGE, 4).await;
    for (round, movies) in [0, 1, 60, 120].into_iter().enumerate() {
        let ann = app.create_user(&format!("ann{round}")).await;
        create_movies(&app, &ann, movies).await;
        let record = request_deletion(&app, &ann).await;
        let twice = [&record, &record];
        for failed in join_all((0..4).map(|_| deliver(&app, &twice))).await {
            assert_eq!(failed, [""; 0], "{movies} movies");
        }
        assert_gone(&app, &ann);
        assert_consistent(&app);
    }
}

#[tokio::test]
async fn a_late_record_spares_the_emails_new_owner() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);

    let new = app.create_user("ann").await;
    create_movies(&app, &new, 2).await;
    let before = app.table_contents();
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);

    // The same holds while the new account is being deleted, too.
    let second = request_deletion(&app, &new).await;
    let before = app.table_contents();
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);
    assert_eq!(deliver(&app, &[&second]).await, [""; 0]);
    assert_gone(&app, &new);
    assert_consistent(&app);
}

#[tokio::test]
async fn the_record_of_a_finished_deletion_does_nothing() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let record = request_deletion(&app, &ann).await;
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    let end = stream(&app).pop().expect("a record");
    assert_eq!(end["eventName"], "REMOVE");
    let before = app.table_contents();
    assert_eq!(deliver(&app, &[&end]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn an_active_user_is_never_purged() {
    let app = TestApp::start().await;
    let (ann, bob, cem) =
        (app.create_user("ann").await, app.create_user("bob").await, app.create_user("cem").await);
    for user in [&ann, &bob] {
        create_movies(&app, user, 50).await;
    }
    let record = request_deletion(&app, &cem).await;
    let named = |id: &str| {
        let mut record = record.clone();
        record["dynamodb"]["Keys"]["user_id"]["S"] = json!(id);
        record
    };
    // Ann has no account deletion: this is a late record.
    let before = app.table_contents();
    assert_eq!(deliver(&app, &[&named(&ann.id)]).await, [""; 0]);
    assert_eq!(app.table_contents(), before);

    // Bob has one, but is active; with and without movies.
    for id in [&bob.id, &app.create_user("dan").await.id] {
        let false_account_deletion = json!({
            "user_id": {"S": id}, "requested_at": {"S": "2026-01-01T00:00:00.000Z"}, "run_count": {"N": "0"},
        });
        app.database.put_item(ACCOUNT_DELETIONS, false_account_deletion).expect("an item");
        let before = app.table_contents();
        let record = named(id);
        assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
        assert_eq!(app.table_contents(), before);
        let line = wait_for_error(&app, &format!("user#{id}")).await;
        assert!(line.contains("an account deletion belongs to an active user"), "{line}");
    }
}

#[tokio::test]
async fn an_account_deletion_without_a_user_is_reported_and_stays() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let record = request_deletion(&app, &ann).await;
    for key in [format!("user#{}", ann.id), format!("email#{}", ann.email)] {
        app.delete_item(USERS, &key);
    }
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    assert!(account_deletion(&app, &ann).is_some());
    let line = wait_for_error(&app, &format!("user#{}", ann.id)).await;
    assert!(line.contains("is corrupt"), "{line}");
}

#[tokio::test]
async fn an_email_claimed_by_another_user_is_reported_and_kept() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    create_movies(&app, &ann, 2).await;
    let record = request_deletion(&app, &ann).await;
    app.edit_item(USERS, &format!("email#{}", ann.email), |claim| claim["user_id"]["S"] = json!(bob.id));
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    assert_eq!(app.count(USERS, "email#"), 2);
    assert_eq!((app.count(USERS, "user#"), account_deletions(&app).len()), (2, 1));
}

#[tokio::test]
async fn a_record_without_a_user_id_is_reported_alone() {
    let app = TestApp::start().await;
    let before = app.table_contents();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let (first, last) = (request_deletion(&app, &ann).await, request_deletion(&app, &bob).await);
    let with = |number: usize, change: &dyn Fn(&mut Value)| {
        let mut record = first.clone();
        change(&mut record);
        record["dynamodb"]["SequenceNumber"] = json!(format!("10000000000000000000{number}"));
        record
    };
    let poison = [
        with(0, &|record| record["dynamodb"] = json!({})),
        with(1, &|record| record["dynamodb"]["Keys"] = Value::Null),
        with(2, &|record| record["dynamodb"]["Keys"]["user_id"] = json!({"N": "7"})),
        with(3, &|record| record["dynamodb"]["Keys"]["user_id"]["S"] = json!(7)),
        with(4, &|record| record["dynamodb"]["Keys"]["user_id"]["S"] = json!("")),
        with(5, &|record| record["dynamodb"]["Keys"]["user_id"]["S"] = json!("nobody")),
        with(6, &|record| {
            record["dynamodb"]["Keys"]["user_id"]["S"] = json!(format!("{}\nforged line", ann.id));
        }),
        with(7, &|record| *record = json!({"dynamodb": {"Keys": []}})),
    ];
    let mut batch = vec![&first];
    batch.extend(&poison);
    batch.push(&last);
    let expected: Vec<String> = poison.iter().map(sequence_number).collect();
    assert_eq!(deliver(&app, &batch).await, expected);
    assert_eq!(app.table_contents(), before, "the valid records were carried out");
    for number in expected {
        wait_for_error(&app, &number).await;
    }
    let logs = app.logs();
    assert!(!logs.iter().any(|line| line.contains("forged line")), "a record has forged a line: {logs:#?}");
}

#[tokio::test]
async fn a_record_without_a_sequence_number_fails_the_batch() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let good = request_deletion(&app, &ann).await;
    for poison in [json!(null), json!("text"), json!([]), json!({}), json!({"dynamodb": 1})] {
        // Lambda treats an empty identifier as a failure of the whole batch.
        assert_eq!(deliver(&app, &[&poison, &good]).await, [""], "{poison}");
        assert_gone(&app, &ann);
    }
    let function = app.function(super::PURGE).await;
    for event in [json!(null), json!([]), json!("text"), json!(1)] {
        // An event that no AWS service sends may fail, but must not end the process.
        function.invoke(&event).await;
        assert!(function.is_alive(), "{event}");
    }
    assert_eq!(failures(function.invoke(&json!({"Records": []})).await), [""; 0]);
    assert_consistent(&app);
}
