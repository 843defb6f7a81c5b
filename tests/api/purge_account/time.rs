//! Running out of time.

use std::time::Duration;

use local::{
    fault_proxy::{Fault, Gate, Rule},
    runtime_api::{Function, FunctionOptions},
};
use serde_json::{Value, json};

use super::{
    PURGE, assert_gone, deliver, departure, departures, failures, give_movies, leave, requests,
    sequence_number, state, stream, user_item,
};
use crate::{
    bag::{Bag, Person},
    consistency::assert_consistent,
};

/// What a run keeps of its time to wake the next one. With no more than this, it does nothing at all.
const TIME_TO_WAKE: Duration = Duration::from_secs(5);
/// The least time that a departure gets while there is any.
const LEAST_SHARE: Duration = Duration::from_secs(2);
/// Enough to begin.
const A_MOMENT: Duration = Duration::from_millis(300);
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
        gate.reached().await;
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
    let short = short(&bag, TIME_TO_WAKE + A_MOMENT).await;
    bag.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on("Query"));
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

    bag.proxy.clear_rules();
    assert_eq!(failures(bag.function(PURGE).await.invoke(&json!({})).await), [""; 0]);
    assert_gone(&bag, &ann);
    assert_consistent(&bag);
}

#[tokio::test]
async fn an_hourly_run_out_of_time_wakes_a_run_for_each_departure() {
    let bag = Bag::start().await;
    let before = state(&bag);
    let people = [bag.person("ann").await, bag.person("bob").await];
    for person in &people {
        give_movies(&bag, person, 2).await;
        leave(&bag, person).await;
    }
    // Each gets half of the time, which is enough to begin.
    let short = short(&bag, TIME_TO_WAKE + 2 * LEAST_SHARE).await;
    bag.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on("Query"));
    assert_eq!(failures(short.invoke(&json!({})).await), [""; 0]);
    bag.proxy.clear_rules();
    let woken = stream(&bag).split_off(people.len());
    assert_eq!(woken.len(), people.len(), "each has a record: {woken:#?}");
    assert!(people.iter().all(|person| passes(&bag, person) == 1), "a pass was tried for each");
    assert_eq!(deliver(&bag, &woken.iter().collect::<Vec<_>>()).await, [""; 0]);
    assert_eq!(state(&bag), before);
}

#[tokio::test]
async fn a_pass_in_which_nothing_was_tried_is_not_counted() {
    let bag = Bag::start().await;
    let people = [bag.person("ann").await, bag.person("bob").await];
    let mut records = Vec::new();
    for person in &people {
        give_movies(&bag, person, 2).await;
        records.push(leave(&bag, person).await);
    }
    // There is time for less than one share, and Ann's takes it all.
    let short = short(&bag, TIME_TO_WAKE + A_MOMENT).await;
    bag.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on("Query"));
    let failed = failures(short.invoke(&json!({"Records": records})).await);
    assert_eq!(failed, [sequence_number(&records[1])], "Lambda delivers Bob's record again");
    assert_eq!(people.each_ref().map(|person| passes(&bag, person)), [1, 0], "Ann's pass, and Bob's");

    assert_eq!(failures(short.invoke(&json!({})).await), [""; 0], "the schedule knows no records");
    assert_eq!(people.each_ref().map(|person| passes(&bag, person)), [2, 0], "Ann's pass, and Bob's");
    let lines: Vec<String> =
        short.logs().into_iter().filter(|line| line.contains("there was no time for it")).collect();
    assert!(lines.len() == 2, "both runs say so: {lines:#?}");
    assert!(
        lines[0].contains(&sequence_number(&records[1])) && lines[1].contains(&people[1].id),
        "{lines:#?}"
    );
    bag.proxy.clear_rules();
    assert_eq!(deliver(&bag, &[&records[1]]).await, [""; 0]);
    assert_gone(&bag, &people[1]);
}

#[tokio::test]
async fn a_run_that_is_out_of_time_does_not_bring_a_departure_back_that_another_has_ended() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 2).await;
    let record = leave(&bag, &ann).await;
    let short = short(&bag, TIME_TO_WAKE + A_MOMENT).await;
    let gate = Gate::new();
    bag.proxy.inject(Rule::once(Fault::Stall).from(PURGE).on("Query"));
    bag.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("UpdateItem"));
    let other = async {
        gate.reached().await;
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
async fn slow_requests_leave_the_time_to_wake_the_next_run() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 2).await;
    let record = leave(&bag, &ann).await;
    // Each of these takes 4 s, so both together all the time that the function has.
    let short = short(&bag, TIME_TO_WAKE + Duration::from_secs(3)).await;
    for operation in ["BatchGetItem", "TransactWriteItems"] {
        let rule = Rule { times: 2, ..Rule::once(Fault::Stall) };
        bag.proxy.inject(rule.from(PURGE).on(operation));
    }
    let outcome = short.invoke(&json!({"Records": [record]})).await;
    assert_eq!(failures(outcome), [""; 0], "Lambda did not have to end it");
    assert_eq!(passes(&bag, &ann), 1, "the next run is woken");
    assert_consistent(&bag);
    let woken = stream(&bag).pop().expect("a record");
    bag.proxy.clear_rules();
    assert_eq!(deliver(&bag, &[&woken]).await, [""; 0]);
    assert_gone(&bag, &ann);
    assert_consistent(&bag);
}

#[tokio::test]
async fn a_run_that_cannot_wake_the_next_one_says_so_before_lambda_ends_it() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 60).await;
    let record = leave(&bag, &ann).await;
    let short = short(&bag, TIME_TO_WAKE + A_MOMENT).await;
    for operation in ["Query", "UpdateItem"] {
        bag.proxy.inject(Rule::always(Fault::Stall).from(PURGE).on(operation));
    }
    let outcome = short.invoke(&json!({"Records": [record]})).await;
    assert_eq!(failures(outcome), [sequence_number(&record)], "Lambda delivers the record again");
    let said = "there was no time to wake the next run";
    assert!(short.logs().iter().any(|line| line.contains(said)), "{said:?} is in {:#?}", short.logs());
    assert_consistent(&bag);
    bag.proxy.clear_rules();
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_gone(&bag, &ann);
    assert_consistent(&bag);
}

#[tokio::test]
async fn keys_left_out_for_ever_are_asked_for_ever_more_rarely_until_time_is_over() {
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    give_movies(&bag, &ann, 2).await;
    let record = leave(&bag, &ann).await;
    let short = short(&bag, TIME_TO_WAKE + Duration::from_secs(2)).await;
    bag.proxy.inject(Rule::always(Fault::Unprocessed).from(PURGE).on("BatchGetItem"));
    bag.proxy.clear_calls();
    assert_eq!(failures(short.invoke(&json!({"Records": [record]})).await), [""; 0]);
    let asked = requests(&bag).iter().filter(|request| request.starts_with("BatchGetItem")).count();
    // At once, and then after 50, 100, 200, 400 and 800 ms.
    assert!((3..=6).contains(&asked), "asked {asked} times: {:?}", requests(&bag));
    assert_eq!(passes(&bag, &ann), 1, "the next run is woken");
    assert_consistent(&bag);
    bag.proxy.clear_rules();
    assert_eq!(deliver(&bag, &[&record]).await, [""; 0]);
    assert_gone(&bag, &ann);
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
