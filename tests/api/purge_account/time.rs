//! Running out of time.

use std::time::Duration;

use local::{
    fault_proxy::{Fault, Gate, Rule},
    runtime_api::{Function, FunctionOptions},
};
use serde_json::{Value, json};

use super::{
    PURGE, assert_gone, deliver, departure, departures, failures, give_movies, leave, requests, state,
    stream, user_item,
};
use crate::{
    bag::{Bag, Person, reached},
    consistency::assert_consistent,
};

/// What a run keeps of its time to wake the next one. With no more than this, it does nothing else.
const TIME_TO_WAKE: Duration = Duration::from_secs(5);
/// So many runs are woken at most.
const MOST_PASSES: u64 = 50;

#[tokio::test]
async fn a_run_out_of_time_wakes_the_next_one_which_goes_on_from_there() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 120).await;
    let record = leave(&bag, &ann).await;

    // The time to work is over while the second look at the index is on the way. A request may take less than this.
    let working = Duration::from_millis(1_500);
    let short = short(&bag, TIME_TO_WAKE + working).await;
    let gate = Gate::new();
    bag.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("Query").after(1));
    bag.proxy.clear_calls();
    let time_passes = async {
        reached(&gate, 1).await;
        tokio::time::sleep(working).await;
        gate.open();
    };
    let event = json!({"Records": [record]});
    let (outcome, ()) = futures_util::future::join(short.invoke(&event), time_passes).await;
    assert_eq!(failures(outcome), [""; 0]);
    let last = requests(&bag).split_off(4);
    assert_eq!(last, ["Query MoviesTable/owner", "UpdateItem DeparturesTable"]);
    assert_consistent(&bag);
    let movies_left = user_item(&bag, &ann).expect("a user")["movie_count"]["N"].clone();
    assert_eq!((movies_left, passes(&bag, &ann)), (json!("71"), 1));

    let woken = stream(&bag).pop().expect("a record");
    assert_eq!(woken["eventName"], "MODIFY");
    assert_eq!(deliver(&bag, &[&woken]).await, [""; 0]);
    assert_gone(&bag, &ann);
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn a_purge_that_never_gets_done_wakes_itself_fifty_times_and_then_waits_for_the_hourly_run() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 2).await;
    let mut record = leave(&bag, &ann).await;
    let short = short(&bag, TIME_TO_WAKE).await;
    for pass in 1..=MOST_PASSES {
        assert_eq!(failures(short.invoke(&json!({"Records": [record]})).await), [""; 0]);
        assert_eq!(passes(&bag, &ann), pass);
        record = stream(&bag).pop().expect("a record");
        assert_eq!(record["eventName"], "MODIFY", "it wakes the next run");
    }
    let before = (state(&bag), stream(&bag).len());
    assert_eq!(failures(short.invoke(&json!({"Records": [record]})).await), [""; 0]);
    assert_eq!((state(&bag), stream(&bag).len()), before, "nobody is woken any more");
    assert_consistent(&bag);

    assert_eq!(failures(bag.function(PURGE).await.invoke(&json!({})).await), [""; 0]);
    assert_gone(&bag, &ann);
    assert_consistent(&bag);
}

#[tokio::test]
async fn an_hourly_run_out_of_time_wakes_a_run_for_each_departure() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let people = [bag.person("ann").await, bag.person("bob").await, bag.person("cem").await];
    for person in &people {
        give_movies(&bag, person, 2).await;
        leave(&bag, person).await;
    }
    let short = short(&bag, TIME_TO_WAKE).await;
    assert_eq!(failures(short.invoke(&json!({})).await), [""; 0]);
    let woken = stream(&bag).split_off(people.len());
    assert_eq!(woken.len(), people.len());
    assert!(people.iter().all(|person| passes(&bag, person) == 1));
    assert_eq!(deliver(&bag, &woken.iter().collect::<Vec<_>>()).await, [""; 0]);
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn a_run_that_is_out_of_time_does_not_bring_a_departure_back_that_another_has_ended() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 2).await;
    let record = leave(&bag, &ann).await;
    let short = short(&bag, TIME_TO_WAKE).await;
    let gate = Gate::new();
    bag.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("UpdateItem"));
    let other = async {
        reached(&gate, 1).await;
        assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
        gate.open();
    };
    let event = json!({"Records": [record]});
    let (outcome, ()) = futures_util::future::join(short.invoke(&event), other).await;
    assert_eq!(failures(outcome), [""; 0]);
    assert_eq!(departures(&bag), [Value::Null; 0]);
    assert_gone(&bag, &ann);
}

#[tokio::test]
async fn a_process_that_lambda_ends_for_its_time_is_followed_by_one_that_finishes() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 60).await;
    let record = leave(&bag, &ann).await;
    // It would wake the next run, but that hangs.
    let function = short(&bag, Duration::from_millis(1_500)).await;
    bag.proxy.inject(Rule::once(Fault::Stall).from(PURGE).on("UpdateItem"));
    let outcome = function.invoke(&json!({"Records": [record]})).await;
    assert_eq!(outcome, local::runtime_api::Outcome::TimedOut);
    assert_consistent(&bag);
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_gone(&bag, &ann);
    assert_consistent(&bag);
}

/// The function with another timeout.
async fn short(bag: &Bag, timeout: Duration) -> Function {
    let options = FunctionOptions { timeout, ..bag.options(PURGE) };
    let function = Function::start(options).await.expect("the function starts");
    function.ready().await.expect("it is ready");
    function
}

fn passes(bag: &Bag, person: &Person) -> u64 {
    let departure = departure(bag, person).expect("a departure");
    departure["pass"]["N"].as_str().and_then(|number| number.parse().ok()).expect("a number")
}
