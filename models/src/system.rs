//! Processes that share tables, and the faults that they have to survive.
//!
//! Each request to DynamoDB is one atomic step. Between two steps, the processes run in any order.
//!
//! - **Lost, late and repeated.** A write can be *delayed*: the process hears nothing of it and repeats it, while the
//!   delayed copy arrives at any later time, or never. A copy that arrives at once is a request whose response was lost.
//! - **Client request tokens.** A transaction and its delayed copies have one token, so they commit at most once, and the
//!   process then hears of the success. A canceled transaction leaves no trace, so its copy may still commit.
//! - **Killed, frozen and thawed.** A process may rest between two steps for any time. One that is killed never takes
//!   another step, which is a prefix of such a rest: properties hold in all states, so it needs no action of its own.
//! - **Out of time.** [`Protocol::when_out_of_time`] replaces the step that a process would take.

use std::{fmt::Debug, hash::Hash};

use stateright::{Model, Property};

/// What a step requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A read. Its repetition has no effect of its own.
    Read,
    /// A single write, which is carried out again each time it arrives.
    Write,
    /// A transaction, which commits at most once.
    Transaction,
}

/// The tables, the programs that use them, and the properties that must hold.
pub trait Protocol: Clone + Debug + Send + Sync + 'static {
    /// The items, and facts about the past that properties need.
    type Tables: Clone + Debug + Eq + Hash + Send + Sync;
    /// The next request of a process, with all that the process remembers.
    type Step: Copy + Debug + Ord + Hash + Send + Sync;
    /// A change that no request causes: an index catches up, or time passes.
    type Event: Copy + Debug + PartialEq;

    /// Returns the tables at the beginning.
    fn tables(&self) -> Self::Tables;
    /// Returns the first step of each process.
    fn programs(&self) -> Vec<Self::Step>;
    /// Returns whether a process may start. One that may start again after its end stands for any number of processes, one
    /// after another.
    fn may_start(&self, tables: &Self::Tables, first: Self::Step, again: bool) -> bool;
    /// Returns what a step requests.
    fn request(step: Self::Step) -> Request;
    /// Carries out the request of a step, and returns the next step; `None` at the end.
    fn take(&self, tables: &mut Self::Tables, step: Self::Step) -> Option<Self::Step>;
    /// Returns the step instead of this one when the time of the process is up.
    fn when_out_of_time(_step: Self::Step) -> Option<Self::Step> {
        None
    }
    /// Lists the events that can occur.
    fn events(&self, tables: &Self::Tables) -> Vec<Self::Event>;
    /// Lets an event occur.
    fn occur(&self, tables: &mut Self::Tables, event: Self::Event);
    /// Returns the properties.
    fn properties() -> Vec<Property<System<Self>>>;

    /// Runs a process to its end without a fault.
    fn run(&self, tables: &mut Self::Tables, first: Self::Step) {
        let mut next = Some(first);
        for _ in 0..100 {
            let Some(step) = next else { return };
            next = self.take(tables, step);
        }
        panic!("a process does not end: {first:?}");
    }
}

/// A protocol with a bound on its faults.
#[derive(Debug, Clone)]
pub struct System<P> {
    /// The protocol.
    pub protocol: P,
    /// How many writes may be delayed.
    pub delays: u8,
}

/// A state of a [`System`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State<Tables, Step> {
    /// The tables.
    pub tables: Tables,
    processes: Vec<Process<Step>>,
    late: Vec<Late<Step>>,
    delays: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Process<Step> {
    NotStarted,
    Running(Step),
    Ended,
}

/// A delayed write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Late<Step> {
    step: Step,
    /// The process that still waits for it.
    of: Option<usize>,
}

/// What happens next. The first number of a variant is that of a process or of a delayed request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action<Step, Event> {
    /// A process starts.
    Start(usize),
    /// A process sends its request and receives the response.
    Take(usize, Step),
    /// The time of a process is up, and it takes this step instead.
    OutOfTime(usize, Step),
    /// A process sends its request, which is delayed.
    Delay(usize, Step),
    /// A delayed request arrives.
    Arrive(usize),
    /// An event occurs.
    Occur(Event),
}

impl<P: Protocol> System<P> {
    /// Sends the request of a process, which then continues with the response.
    fn take(&self, state: &mut State<P::Tables, P::Step>, process: usize, step: P::Step) {
        let before = state.tables.clone();
        self.proceed(state, process, step);
        let committed = P::request(step) == Request::Transaction && state.tables != before;
        // The token of a committed transaction makes its copies do nothing.
        state.late.retain(|late| !(committed && late.of == Some(process)));
        state.late.iter_mut().filter(|late| late.of == Some(process)).for_each(|late| late.of = None);
    }

    /// Lets a delayed request arrive.
    fn arrive(&self, state: &mut State<P::Tables, P::Step>, position: usize) {
        let Late { step, of } = state.late.remove(position);
        match of {
            // The process that repeats a transaction hears of the success of this copy.
            Some(process) if P::request(step) == Request::Transaction => {
                let before = state.tables.clone();
                let next = self.protocol.take(&mut state.tables, step);
                if state.tables != before {
                    state.processes[process] = next.map_or(Process::Ended, Process::Running);
                    state.late.retain(|late| late.of != of);
                }
            }
            _ => _ = self.protocol.take(&mut state.tables, step),
        }
    }

    /// Orders processes that run the same program next to each other: their numbers make no difference.
    fn order(&self, state: &mut State<P::Tables, P::Step>) {
        let programs = self.protocol.programs();
        for second in 1..programs.len() {
            let first = second - 1;
            if programs[first] == programs[second] && state.processes[first] > state.processes[second] {
                state.processes.swap(first, second);
                for of in state.late.iter_mut().filter_map(|late| late.of.as_mut()) {
                    *of = match *of {
                        of if of == first => second,
                        of if of == second => first,
                        of => of,
                    };
                }
            }
        }
    }

    fn proceed(&self, state: &mut State<P::Tables, P::Step>, process: usize, step: P::Step) {
        let next = self.protocol.take(&mut state.tables, step);
        state.processes[process] = next.map_or(Process::Ended, Process::Running);
    }
}

impl<P: Protocol> Model for System<P> {
    type State = State<P::Tables, P::Step>;
    type Action = Action<P::Step, P::Event>;

    fn init_states(&self) -> Vec<Self::State> {
        let processes = vec![Process::NotStarted; self.protocol.programs().len()];
        vec![State { tables: self.protocol.tables(), processes, late: Vec::new(), delays: self.delays }]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        for (number, first) in self.protocol.programs().into_iter().enumerate() {
            let process = state.processes[number];
            if let Process::Running(step) = process {
                actions.push(Action::Take(number, step));
                if let Some(instead) = P::when_out_of_time(step) {
                    actions.push(Action::OutOfTime(number, instead));
                }
                if state.delays > 0 && P::request(step) != Request::Read {
                    actions.push(Action::Delay(number, step));
                }
            } else if self.protocol.may_start(&state.tables, first, process == Process::Ended) {
                actions.push(Action::Start(number));
            }
        }
        actions.extend((0..state.late.len()).map(Action::Arrive));
        actions.extend(self.protocol.events(&state.tables).into_iter().map(Action::Occur));
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let mut state = last.clone();
        match action {
            Action::Start(number) => {
                state.processes[number] = Process::Running(self.protocol.programs()[number]);
            }
            Action::Take(number, step) => self.take(&mut state, number, step),
            Action::OutOfTime(number, instead) => {
                state.processes[number] = Process::Running(instead);
                state.late.iter_mut().filter(|late| late.of == Some(number)).for_each(|late| late.of = None);
            }
            Action::Delay(number, step) => {
                state.delays -= 1;
                state.late.push(Late { step, of: Some(number) });
            }
            Action::Arrive(position) => self.arrive(&mut state, position),
            Action::Occur(event) => self.protocol.occur(&mut state.tables, event),
        }
        self.order(&mut state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        P::properties()
    }
}
