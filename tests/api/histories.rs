//! Histories: clients send random requests at the same time, with and without faults, in calm weather and in a storm, and a
//! checker decides whether some order of atomic operations explains all responses (linearizability). The operations of a
//! client are sequential, and an order must keep each operation that ended before another one began in front of it.

mod accounts;
mod movies;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt::Debug,
};

use local::fault_proxy::{Fault, Rule};
use proptest::{
    strategy::{Strategy, ValueTree as _},
    test_runner::TestRunner,
};

use crate::test_app::TestApp;

/// How many clients send requests at the same time, and the processes of each function.
const CLIENTS: usize = 4;

/// How many requests each client sends in a round.
const REQUESTS: usize = 6;

/// Each round has an empty state of its own.
const ROUNDS: usize = 40;
const ROUNDS_IN_STORM: usize = 12;

/// A state that operations change one after the other.
trait Specification: Clone + Default + Ord {
    type Operation: Clone + Debug;
    type Outcome: Clone + Debug;

    /// Carries out an operation, and returns whether it can have this outcome.
    fn step(&mut self, operation: &Self::Operation, outcome: &Self::Outcome) -> bool;
}

/// An operation that has ended. The times are places in the order in which operations began and ended.
#[derive(Debug)]
struct Event<Spec: Specification> {
    begin: usize,
    end: usize,
    operation: Spec::Operation,
    outcome: Spec::Outcome,
}

/// The operations of each client, in their order. One thread runs all clients.
struct History<Spec: Specification> {
    clock: Cell<usize>,
    events: RefCell<Vec<Vec<Event<Spec>>>>,
}

impl<Spec: Specification + Debug> History<Spec> {
    fn new() -> Self {
        Self { clock: Cell::new(0), events: RefCell::new((0..CLIENTS).map(|_| Vec::new()).collect()) }
    }

    /// Records an operation of a client from its beginning to its end.
    async fn record(
        &self,
        client: usize,
        operation: Spec::Operation,
        sending: impl Future<Output = Spec::Outcome>,
    ) -> Spec::Outcome {
        let begin = self.tick();
        let outcome = sending.await;
        let event = Event { begin, end: self.tick(), operation, outcome: outcome.clone() };
        self.events.borrow_mut()[client].push(event);
        outcome
    }

    fn tick(&self) -> usize {
        self.clock.update(|time| time + 1);
        self.clock.get()
    }

    /// Panics unless an order of the operations explains every outcome.
    fn assert_linearizable(self) {
        let events = self.events.into_inner();
        assert!(has_order(&events), "no order explains this history: {events:#?}");
    }
}

/// Returns whether an order explains every outcome: a search that visits each pair of a state and the operations that led
/// to it once (G. Lowe, Testing for linearizability, 2017).
fn has_order<Spec: Specification>(events: &[Vec<Event<Spec>>]) -> bool {
    let mut open = vec![(vec![0; events.len()], Spec::default())];
    let mut visited = BTreeSet::new();
    while let Some((done, state)) = open.pop() {
        let next = || events.iter().zip(&done).map(|(events, done)| events.get(*done));
        // An operation that began after another one had ended comes after it.
        let Some(first_end) = next().flatten().map(|event| event.end).min() else { return true };
        for (client, event) in next().enumerate() {
            let Some(event) = event.filter(|event| event.begin < first_end) else { continue };
            let (mut done, mut state) = (done.clone(), state.clone());
            done[client] += 1;
            if state.step(&event.operation, &event.outcome) && visited.insert((done.clone(), state.clone())) {
                open.push((done, state));
            }
        }
    }
    false
}

/// Returns whether one client can have seen these outcomes, one after the other.
fn is_sequence<Spec: Specification>(steps: &[(Spec::Operation, Spec::Outcome)]) -> bool {
    let mut state = Spec::default();
    steps.iter().all(|(operation, outcome)| state.step(operation, outcome))
}

/// Returns the number of rounds.
fn rounds(app: &TestApp) -> usize {
    if app.in_storm { ROUNDS_IN_STORM } else { ROUNDS }
}

/// Returns the random values of a round, which are the same in each run.
fn random<Values: Strategy>(runner: &mut TestRunner, values: &Values) -> Values::Value {
    values.new_tree(runner).expect("values").current()
}

/// Injects faults into a few requests of every other round, but not in a storm: there, clients retry requests, and after a
/// lost response a client could not know whether the first attempt took effect. `lost` are the rules for lost responses.
fn change_faults(app: &TestApp, round: usize, lost: [Rule; 2]) {
    app.proxy.clear_rules();
    if app.in_storm || round.is_multiple_of(2) {
        return;
    }
    for rule in lost {
        app.proxy.inject(rule);
    }
    for (number, fault) in [Fault::Throttle, Fault::ServerError].into_iter().enumerate() {
        app.proxy.inject(Rule::once(fault).after((round * 7 + number * 10 + 5) % 31));
    }
    // Only writes conflict.
    for (number, write) in ["TransactWriteItems", "UpdateItem", "PutItem"].into_iter().enumerate() {
        let conflict = Rule::once(Fault::TransactionConflict { position: 0 }).on(write);
        app.proxy.inject(conflict.after((round + number) % 5));
    }
}
