//! Records that come twice, late, out of order, or are not what they should be.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    assert_gone, deliver, departure, departures, failures, give_movies, leave, logged_error, sequence_number,
    state, stream,
};
use crate::{
    bag::{Bag, DEPARTURES, USERS},
    consistency::assert_consistent,
};

#[tokio::test]
async fn a_record_that_comes_again_or_in_another_order_changes_nothing() {
    let bag = Bag::start().await;
    let bob = bag.person("bob").await;
    give_movies(&bag, &bob, 3).await;
    let before = state(&bag);
    let (ann, cem) = (bag.person("ann").await, bag.person("cem").await);
    give_movies(&bag, &ann, 60).await;
    give_movies(&bag, &cem, 2).await;
    let (first, second) = (leave(&bag, &ann).await, leave(&bag, &cem).await);

    assert_eq!(deliver(&bag, &[&second, &first, &first, &second]).await, [""; 0]);
    assert_eq!(state(&bag), before);
    bag.proxy.clear_calls();
    assert_eq!(deliver(&bag, &[&first, &second]).await, [""; 0]);
    assert_eq!(super::requests(&bag), ["GetItem DeparturesTable"; 2], "nothing is left to do");
    assert_eq!(state(&bag), before);
    assert_consistent(&bag);
}

#[tokio::test]
async fn a_record_that_several_instances_get_at_once_does_not_fail() {
    let bag = Bag::start().await;
    bag.start_many(super::PURGE, 4).await;
    for (round, movies) in [0, 1, 60, 120].into_iter().enumerate() {
        let ann = bag.person(&format!("ann{round}")).await;
        give_movies(&bag, &ann, movies).await;
        let record = leave(&bag, &ann).await;
        let twice = [&record, &record];
        for failed in join_all((0..4).map(|_| deliver(&bag, &twice))).await {
            assert_eq!(failed, [""; 0], "{movies} movies");
        }
        assert_gone(&bag, &ann);
        assert_consistent(&bag);
    }
}

#[tokio::test]
async fn a_late_record_does_not_touch_who_has_the_email_now() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 2).await;
    let record = leave(&bag, &ann).await;
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);

    let new = bag.person("ann").await;
    give_movies(&bag, &new, 2).await;
    let before = state(&bag);
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_eq!(state(&bag), before);

    // Not even while the new one is leaving, too.
    let second = leave(&bag, &new).await;
    let before = state(&bag);
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_eq!(state(&bag), before);
    assert_eq!(deliver(&bag, &[&second]).await, [""; 0]);
    assert_gone(&bag, &new);
    assert_consistent(&bag);
}

#[tokio::test]
async fn the_end_of_a_departure_wakes_nobody() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let record = leave(&bag, &ann).await;
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    let end = stream(&bag).pop().expect("a record");
    assert_eq!(end["eventName"], "REMOVE");
    let before = state(&bag);
    assert_eq!(deliver(&bag, &[&end]).await, [""; 0]);
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn nobody_who_stays_is_ever_purged() {
    let bag = Bag::start().await;
    let (ann, bob, cem) = (bag.person("ann").await, bag.person("bob").await, bag.person("cem").await);
    for person in [&ann, &bob] {
        give_movies(&bag, person, 50).await;
    }
    let record = leave(&bag, &cem).await;
    let named = |id: &str| {
        let mut record = record.clone();
        record["dynamodb"]["Keys"]["user_id"]["S"] = json!(id);
        record
    };
    // Ann has no departure: the record is one of those that come late.
    let before = state(&bag);
    assert_eq!(deliver(&bag, &[&named(&ann.id)]).await, [""; 0]);
    assert_eq!(state(&bag), before);

    // Bob has one, but is active. With and without movies.
    for id in [&bob.id, &bag.person("dan").await.id] {
        let false_departure = json!({
            "user_id": {"S": id}, "since": {"S": "2026-01-01T00:00:00.000Z"}, "pass": {"N": "0"},
        });
        bag.database.put_item(DEPARTURES, false_departure).expect("an item");
        let before = state(&bag);
        let record = named(id);
        assert_eq!(deliver(&bag, &[&record]).await, [sequence_number(&record)]);
        assert_eq!(state(&bag), before);
        let line = logged_error(&bag, &format!("user#{id}")).await;
        assert!(line.contains("a departure is of a user who stays"), "{line}");
    }
}

#[tokio::test]
async fn a_departure_without_a_user_is_reported_and_stays() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let record = leave(&bag, &ann).await;
    for key in [format!("user#{}", ann.id), format!("email#{}", ann.email)] {
        bag.remove(USERS, &key);
    }
    assert_eq!(deliver(&bag, &[&record]).await, [sequence_number(&record)]);
    assert!(departure(&bag, &ann).is_some());
    let line = logged_error(&bag, &format!("user#{}", ann.id)).await;
    assert!(line.contains("is corrupt"), "{line}");
}

#[tokio::test]
async fn a_leaving_user_whose_email_somebody_else_has_is_reported_and_the_claim_stays() {
    let bag = Bag::start().await;
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    give_movies(&bag, &ann, 2).await;
    let record = leave(&bag, &ann).await;
    bag.edit(USERS, &format!("email#{}", ann.email), |claim| claim["user_id"]["S"] = json!(bob.id));
    assert_eq!(deliver(&bag, &[&record]).await, [sequence_number(&record)]);
    assert_eq!(bag.count(USERS, "email#"), 2);
    assert_eq!((bag.count(USERS, "user#"), departures(&bag).len()), (2, 1));
}

#[tokio::test]
async fn a_record_that_names_nobody_is_reported_and_the_others_go_on() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    let (first, last) = (leave(&bag, &ann).await, leave(&bag, &bob).await);
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
    assert_eq!(deliver(&bag, &batch).await, expected);
    assert_eq!(state(&bag), before, "the good records were worked off");
    for number in expected {
        logged_error(&bag, &number).await;
    }
    let logs = bag.logs();
    assert!(!logs.iter().any(|line| line.contains("forged line")), "a record has forged a line: {logs:#?}");
}

#[tokio::test]
async fn a_record_without_a_number_fails_the_whole_batch_and_the_function_lives() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let good = leave(&bag, &ann).await;
    for poison in [json!(null), json!("text"), json!([]), json!({}), json!({"dynamodb": 1})] {
        // Lambda takes an empty identifier for a failure of all.
        assert_eq!(deliver(&bag, &[&poison, &good]).await, [""], "{poison}");
        assert_gone(&bag, &ann);
    }
    let function = bag.function(super::PURGE).await;
    for event in [json!(null), json!([]), json!("text"), json!(1)] {
        // What no service of AWS sends may fail, but must not end the process.
        function.invoke(&event).await;
        assert!(function.is_alive(), "{event}");
    }
    assert_eq!(failures(function.invoke(&json!({"Records": []})).await), [""; 0]);
    assert_consistent(&bag);
}
