//! Records that come twice, late, out of order, or are not what they should be.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    account_deletion, account_deletions, assert_gone, deliver, failures, give_movies, leave, logged_error,
    sequence_number, state, stream,
};
use crate::{
    consistency::assert_consistent,
    test_app::{ACCOUNT_DELETIONS, TestApp, USERS},
};

#[tokio::test]
async fn repeated_and_reordered_records_change_nothing() {
    let app = TestApp::start().await;
    let bob = app.person("bob").await;
    give_movies(&app, &bob, 3).await;
    let before = state(&app);
    let (ann, cem) = (app.person("ann").await, app.person("cem").await);
    give_movies(&app, &ann, 60).await;
    give_movies(&app, &cem, 2).await;
    let (first, second) = (leave(&app, &ann).await, leave(&app, &cem).await);

    assert_eq!(deliver(&app, &[&second, &first, &first, &second]).await, [""; 0]);
    assert_eq!(state(&app), before);
    app.proxy.clear_calls();
    assert_eq!(deliver(&app, &[&first, &second]).await, [""; 0]);
    assert_eq!(super::requests(&app), ["GetItem AccountDeletionsTable"; 2], "nothing is left to do");
    assert_eq!(state(&app), before);
    assert_consistent(&app);
}

#[tokio::test]
async fn a_record_given_to_several_instances_does_not_fail() {
    let app = TestApp::start().await;
    app.start_many(super::PURGE, 4).await;
    for (round, movies) in [0, 1, 60, 120].into_iter().enumerate() {
        let ann = app.person(&format!("ann{round}")).await;
        give_movies(&app, &ann, movies).await;
        let record = leave(&app, &ann).await;
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
    let ann = app.person("ann").await;
    give_movies(&app, &ann, 2).await;
    let record = leave(&app, &ann).await;
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);

    let new = app.person("ann").await;
    give_movies(&app, &new, 2).await;
    let before = state(&app);
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(state(&app), before);

    // Not even while the new one is leaving, too.
    let second = leave(&app, &new).await;
    let before = state(&app);
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    assert_eq!(state(&app), before);
    assert_eq!(deliver(&app, &[&second]).await, [""; 0]);
    assert_gone(&app, &new);
    assert_consistent(&app);
}

#[tokio::test]
async fn the_record_of_a_finished_deletion_does_nothing() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    let record = leave(&app, &ann).await;
    assert_eq!(deliver(&app, &[&record]).await, [""; 0]);
    let end = stream(&app).pop().expect("a record");
    assert_eq!(end["eventName"], "REMOVE");
    let before = state(&app);
    assert_eq!(deliver(&app, &[&end]).await, [""; 0]);
    assert_eq!(state(&app), before);
}

#[tokio::test]
async fn an_active_user_is_never_purged() {
    let app = TestApp::start().await;
    let (ann, bob, cem) = (app.person("ann").await, app.person("bob").await, app.person("cem").await);
    for person in [&ann, &bob] {
        give_movies(&app, person, 50).await;
    }
    let record = leave(&app, &cem).await;
    let named = |id: &str| {
        let mut record = record.clone();
        record["dynamodb"]["Keys"]["user_id"]["S"] = json!(id);
        record
    };
    // Ann has no account deletion: the record is one of those that come late.
    let before = state(&app);
    assert_eq!(deliver(&app, &[&named(&ann.id)]).await, [""; 0]);
    assert_eq!(state(&app), before);

    // Bob has one, but is active. With and without movies.
    for id in [&bob.id, &app.person("dan").await.id] {
        let false_account_deletion = json!({
            "user_id": {"S": id}, "requested_at": {"S": "2026-01-01T00:00:00.000Z"}, "run_count": {"N": "0"},
        });
        app.database.put_item(ACCOUNT_DELETIONS, false_account_deletion).expect("an item");
        let before = state(&app);
        let record = named(id);
        assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
        assert_eq!(state(&app), before);
        let line = logged_error(&app, &format!("user#{id}")).await;
        assert!(line.contains("an account deletion belongs to an active user"), "{line}");
    }
}

#[tokio::test]
async fn an_account_deletion_without_a_user_is_reported_and_stays() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    let record = leave(&app, &ann).await;
    for key in [format!("user#{}", ann.id), format!("email#{}", ann.email)] {
        app.remove(USERS, &key);
    }
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    assert!(account_deletion(&app, &ann).is_some());
    let line = logged_error(&app, &format!("user#{}", ann.id)).await;
    assert!(line.contains("is corrupt"), "{line}");
}

#[tokio::test]
async fn an_email_claimed_by_another_user_is_reported_and_kept() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    give_movies(&app, &ann, 2).await;
    let record = leave(&app, &ann).await;
    app.edit(USERS, &format!("email#{}", ann.email), |claim| claim["user_id"]["S"] = json!(bob.id));
    assert_eq!(deliver(&app, &[&record]).await, [sequence_number(&record)]);
    assert_eq!(app.count(USERS, "email#"), 2);
    assert_eq!((app.count(USERS, "user#"), account_deletions(&app).len()), (2, 1));
}

#[tokio::test]
async fn a_record_without_a_user_id_is_reported_alone() {
    let app = TestApp::start().await;
    let before = state(&app);
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let (first, last) = (leave(&app, &ann).await, leave(&app, &bob).await);
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
    assert_eq!(state(&app), before, "the good records were worked off");
    for number in expected {
        logged_error(&app, &number).await;
    }
    let logs = app.logs();
    assert!(!logs.iter().any(|line| line.contains("forged line")), "a record has forged a line: {logs:#?}");
}

#[tokio::test]
async fn a_record_without_a_sequence_number_fails_the_batch() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    let good = leave(&app, &ann).await;
    for poison in [json!(null), json!("text"), json!([]), json!({}), json!({"dynamodb": 1})] {
        // Lambda takes an empty identifier for a failure of all.
        assert_eq!(deliver(&app, &[&poison, &good]).await, [""], "{poison}");
        assert_gone(&app, &ann);
    }
    let function = app.function(super::PURGE).await;
    for event in [json!(null), json!([]), json!("text"), json!(1)] {
        // What no service of AWS sends may fail, but must not end the process.
        function.invoke(&event).await;
        assert!(function.is_alive(), "{event}");
    }
    assert_eq!(failures(function.invoke(&json!({"Records": []})).await), [""; 0]);
    assert_consistent(&app);
}
