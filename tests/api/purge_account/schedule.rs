//! The hourly run: it works off what is left, and tells how old it is.

use local::{
    fault_proxy::{Fault, Rule},
    runtime_api::Outcome,
};
use serde_json::{Value, json};

use super::{
    PURGE, assert_gone, departure, departures, failures, give_movies, leave, logged_error, requests, state,
};
use crate::{
    bag::{Bag, DEPARTURES, Person},
    consistency::assert_consistent,
};

#[tokio::test]
async fn the_hourly_run_works_off_everything_that_is_left_the_oldest_first() {
    let bag = Bag::start().await;
    let bob = bag.person("bob").await;
    give_movies(&bag, &bob, 2).await;
    let before = state(&bag);
    let mut people = Vec::new();
    for (name, since) in [
        ("ann", "2026-03-01T00:00:00.000Z"),
        ("cem", "2020-01-01T00:00:00.000Z"),
        ("dan", "2026-02-01T00:00:00.000Z"),
    ] {
        let person = bag.person(name).await;
        give_movies(&bag, &person, 2).await;
        leave(&bag, &person).await;
        change(&bag, &person, |departure| departure["since"]["S"] = json!(since));
        people.push(person);
    }
    bag.proxy.clear_calls();
    assert_eq!(failures(run(&bag).await), [""; 0]);
    assert_eq!(state(&bag), before);
    for person in &people {
        assert_gone(&bag, person);
    }
    assert_consistent(&bag);

    assert_eq!(requests(&bag)[0], "Scan DeparturesTable");
    let of_departures = bag.proxy.calls_of(PURGE).into_iter().filter(|call| call.operation == "GetItem");
    let order: Vec<Value> =
        of_departures.map(|call| call.body["Key"]["user_id"]["S"].clone()).filter(Value::is_string).collect();
    assert_eq!(order, [&people[1].id, &people[2].id, &people[0].id].map(|id| json!(id)));

    let line = bag.logged("departures that are left").await;
    assert!(line.contains("departures=3"), "{line}");
    let (_, seconds) = line.split_once("oldest_seconds=").expect("an age");
    let seconds: u64 = seconds.trim().parse().expect("seconds");
    // It was in 2020.
    assert!((150_000_000..3_000_000_000).contains(&seconds), "{line}");
}

#[tokio::test]
async fn the_hourly_run_of_a_quiet_system_does_nothing() {
    let bag = Bag::start().await;
    for event in [schedule(), json!({})] {
        bag.proxy.clear_calls();
        assert_eq!(failures(bag.function(PURGE).await.invoke(&event).await), [""; 0]);
        assert_eq!(requests(&bag), ["Scan DeparturesTable"]);
    }
    let line = bag.logged("departures that are left").await;
    assert!(line.contains("departures=0 oldest_seconds=0"), "{line}");
}

#[tokio::test]
async fn a_corrupt_departure_is_logged_and_holds_up_no_other() {
    let bag = Bag::start().await;
    let (ann, bob) = (bag.person("ann").await, bag.person("bob").await);
    let dan = bag.person("dan").await;
    for person in [&ann, &bob, &dan] {
        give_movies(&bag, person, 2).await;
        leave(&bag, person).await;
    }
    change(&bag, &ann, |departure| departure["since"]["S"] = json!("once upon a time"));
    change(&bag, &dan, |departure| departure["since"] = json!({"N": "1"}));
    let nobody = "0193c2f0-0000-7000-8000-000000000000";
    for key in ["not an id", nobody] {
        let item = json!({
            "user_id": {"S": key}, "since": {"S": "2026-01-01T00:00:00.000Z"}, "pass": {"N": "0"},
        });
        bag.database.put_item(DEPARTURES, item).expect("an item");
    }
    assert_eq!(failures(run(&bag).await), [""; 0]);
    assert_gone(&bag, &bob);
    for key in [&ann.id, &dan.id, "not an id", nobody] {
        logged_error(&bag, key).await;
    }
    assert!(departure(&bag, &ann).is_some() && departure(&bag, &dan).is_some());
    assert_eq!(departures(&bag).len(), 4, "what cannot be worked off stays");
}

#[tokio::test]
async fn one_departure_that_fails_does_not_stop_the_others() {
    let bag = Bag::start().await;
    let mut people = Vec::new();
    for (name, since) in [("ann", "2026-01-01T00:00:00.000Z"), ("bob", "2026-02-01T00:00:00.000Z")] {
        let person = bag.person(name).await;
        give_movies(&bag, &person, 2).await;
        leave(&bag, &person).await;
        change(&bag, &person, |departure| departure["since"]["S"] = json!(since));
        people.push(person);
    }
    // The first request of Ann's purge, after the scan.
    bag.proxy.inject(Rule::once(Fault::AccessDenied).from(PURGE).after(1));
    assert_eq!(failures(run(&bag).await), [""; 0]);
    assert_gone(&bag, &people[1]);
    assert!(departure(&bag, &people[0]).is_some());
    let line = logged_error(&bag, "a departure was not worked off").await;
    assert!(line.contains(&people[0].id) && line.contains("is not authorized to perform"), "{line}");
    assert_consistent(&bag);

    assert_eq!(failures(run(&bag).await), [""; 0]);
    assert_gone(&bag, &people[0]);
    assert_consistent(&bag);
}

#[tokio::test]
async fn an_hourly_run_that_cannot_even_look_is_an_error_of_the_function() {
    let bag = Bag::start().await;
    bag.proxy.inject(Rule::always(Fault::AccessDenied).from(PURGE));
    let outcome = run(&bag).await;
    assert!(matches!(outcome, Outcome::Error { .. }), "{outcome:?}");
    assert_eq!(requests(&bag), ["Scan DeparturesTable"], "asked once");
    bag.proxy.clear_rules();
    assert_eq!(failures(run(&bag).await), [""; 0]);
}

async fn run(bag: &Bag) -> Outcome {
    bag.function(PURGE).await.invoke(&schedule()).await
}

/// What `EventBridge` sends.
fn schedule() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/movie-bag-Hourly"],
        "detail": {},
    })
}

/// Changes a departure behind the function's back.
fn change(bag: &Bag, person: &Person, change: impl FnOnce(&mut Value)) {
    let mut item = departure(bag, person).expect("a departure");
    change(&mut item);
    bag.database.put_item(DEPARTURES, item).expect("an item");
}
