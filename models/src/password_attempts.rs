//! Limits on password attempts: the strict counter of an account and a source, and the hourly window of the account.
//!
//! A stranger guesses with several requests at once, and the owner of the account logs in. Either all come from one
//! source, so that the strict counter limits them, or each from its own, so that only the window does.
//!
//! Times are small numbers, and the bounds of the code are smaller here. The hour does not end.

use stateright::Property;

use crate::system::{Protocol, Request, State, System};

/// `FAILURES_BEFORE_WAIT` in `auth/throttle.rs`.
const FAILURES_BEFORE_WAIT: u8 = 2;
/// `MAX_WAIT` in `auth/throttle.rs`.
const MAX_WAIT: u8 = 2;
/// `MAX_ACCOUNT_FAILURES` in `auth/throttle.rs`, if the attempts come from many sources. One source does not reach it.
const MAX_ACCOUNT_FAILURES: u8 = 1;
/// How many attempts from many sources can be in flight: the concurrency of the function.
const CONCURRENCY: u8 = 2;
/// How many failures of the window an eventually consistent read can miss.
const LAG: u8 = 1;
/// The time at which the model ends.
const END: u8 = 3;
/// The largest number of attempts, and so of sources.
const ATTEMPTS: usize = 5;
/// The attempt of the owner, whose password is right.
const OWNER: usize = 0;

/// The model, and how it is broken.
#[derive(Debug, Clone)]
pub struct PasswordAttempts {
    /// The defect, if any.
    pub flaw: Option<Flaw>,
    /// How many attempts there are, up to five.
    pub attempts: usize,
    /// Whether each attempt comes from its own source.
    pub many_sources: bool,
    /// By how much the clock of every second machine is ahead.
    pub skew: u8,
}

/// A defect of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// `replace` does not require that no other attempt was admitted since the read.
    AdmissionIgnoresOthers,
    /// The attempt is recorded after the password was verified.
    RecordedAfterCheck,
    /// The strict counter is deleted whatever the password was.
    ClearedByWrongPassword,
    /// Waits double without an end.
    WaitWithoutEnd,
    /// The window is not read.
    WindowIgnored,
    /// A wrong password is not counted in the window.
    WindowNotCounted,
}

/// The items of `PasswordAttempts`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tables {
    /// The strict counters, by source.
    strict: [Option<StrictCounter>; ATTEMPTS],
    /// The failures in the account's window.
    window: u8,
    /// The failures in the window as an eventually consistent read shows them.
    seen_window: u8,
    /// The time.
    now: u8,
    /// How many attempts from many sources have begun and not ended. One that was killed counts, too.
    in_flight: u8,
    /// How many wrong passwords from many sources were refused.
    refused: u8,
    /// How many correct passwords have cleared a counter.
    clears: u8,
    /// When the first attempt since then was admitted, and how many passwords of such attempts were compared.
    first_admission: Option<u8>,
    guesses: u8,
    /// Whether a password was compared earlier than one request after another would permit.
    too_early: bool,
}

/// A strict counter. The id of an attempt is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrictCounter {
    failures: u8,
    blocked_until: u8,
    last_attempt: usize,
}

/// What an attempt has read.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    strict: Option<StrictCounter>,
    window: u8,
}

/// A password attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    id: usize,
    /// The time of the read.
    now: u8,
}

/// The next request of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `shared/src/auth/throttle.rs::read`, which first reads the clock.
    Begin(usize),
    /// `shared/src/store/password_attempts.rs::find`, eventually consistent. A stale strict counter fails the condition of
    /// the write like one that was read earlier, so only the window is stale here.
    Find(Attempt),
    /// `shared/src/store/password_attempts.rs::find`, consistent.
    FindAgain(Attempt),
    /// `shared/src/store/password_attempts.rs::replace`, with the `last_attempt` that was seen and the new counter.
    Replace(Attempt, Option<usize>, StrictCounter),
    /// `shared/src/auth/hashing.rs::verify`, with `Tables::clears` at the admission; not a request.
    Verify(usize, u8),
    /// `shared/src/store/password_attempts.rs::clear`.
    Clear(usize),
    /// `shared/src/store/password_attempts.rs::count_up`.
    CountUp(usize),
    /// `functions/login/main.rs::handle`, its end if attempts in flight are counted; not a request.
    Respond(usize),
}

type Reached = State<Tables, Step>;

/// A change that no request causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Time passes.
    Tick,
    /// Eventually consistent reads show the window as it is.
    WindowCatchesUp,
}

impl PasswordAttempts {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn source(&self, id: usize) -> usize {
        if self.many_sources { id } else { 0 }
    }

    /// Returns the time on the machine of an attempt.
    fn clock(&self, tables: &Tables, id: usize) -> u8 {
        tables.now + if id.is_multiple_of(2) { 0 } else { self.skew }
    }

    /// `wait_after` in `auth/throttle.rs`.
    fn wait_after(&self, failures: u8) -> u8 {
        let wait =
            failures.checked_sub(FAILURES_BEFORE_WAIT).map_or(0, |more| 2_u8.saturating_pow(more.into()));
        if self.has(Flaw::WaitWithoutEnd) { wait } else { wait.min(MAX_WAIT) }
    }

    /// `failures_so_far` in `auth/throttle.rs`; `None` if the attempt has to wait.
    fn failures_so_far(&self, seen: Counters, now: u8) -> Option<u8> {
        let blocked = seen.strict.is_some_and(|counter| counter.blocked_until > now);
        let limited = self.many_sources && !self.has(Flaw::WindowIgnored);
        let full = limited && seen.window >= MAX_ACCOUNT_FAILURES;
        (!blocked && !full).then_some(seen.strict.map_or(0, |counter| counter.failures))
    }

    /// `admit` in `auth/throttle.rs`, up to its next request; `None` if the attempt has to wait.
    fn admit(&self, tables: &Tables, attempt: Attempt, seen: Counters) -> Option<Step> {
        let failures = self.failures_so_far(seen, attempt.now)? + 1;
        let (now, wait) = (self.clock(tables, attempt.id), self.wait_after(failures));
        let blocked_until = if wait == 0 { 0 } else { now + wait };
        let next = StrictCounter { failures, blocked_until, last_attempt: attempt.id };
        if self.has(Flaw::RecordedAfterCheck) {
            return Some(Step::Verify(attempt.id, tables.clears));
        }
        Some(Step::Replace(attempt, seen.strict.map(|counter| counter.last_attempt), next))
    }

    fn replace(&self, tables: &mut Tables, id: usize, seen: Option<usize>, next: StrictCounter) -> bool {
        let counter = &mut tables.strict[self.source(id)];
        let last_attempt = counter.map(|counter| counter.last_attempt);
        if last_attempt == seen || self.has(Flaw::AdmissionIgnoresOthers) {
            *counter = Some(next);
            return true;
        }
        // A repetition finds its own item.
        last_attempt == Some(id)
    }

    /// Returns the earliest time, after the first one, at which this many attempts can be admitted one after another.
    fn earliest(&self, attempts: u8) -> u8 {
        (1..attempts).map(|failures| self.wait_after(failures).saturating_sub(self.skew)).sum()
    }

    /// Compares the password.
    fn verify(&self, tables: &mut Tables, clears: u8) {
        if clears == tables.clears && !self.many_sources {
            let elapsed = tables.now - *tables.first_admission.get_or_insert(tables.now);
            tables.guesses += 1;
            tables.too_early |= elapsed < self.earliest(tables.guesses);
        }
    }

    /// Counts a wrong password; `Admission::settle` in `auth/throttle.rs`.
    fn count_up(&self, tables: &mut Tables, id: usize) {
        if self.has(Flaw::RecordedAfterCheck) {
            let counter = &mut tables.strict[self.source(id)];
            let failures = counter.map_or(0, |counter| counter.failures) + 1;
            let blocked_until = tables.now + self.wait_after(failures);
            *counter = Some(StrictCounter { failures, blocked_until, last_attempt: id });
        }
        if self.many_sources && !self.has(Flaw::WindowNotCounted) {
            tables.window += 1;
            tables.seen_window = tables.seen_window.max(tables.window - LAG);
        }
    }
}

impl Protocol for PasswordAttempts {
    type Tables = Tables;
    type Step = Step;
    type Event = Event;

    fn tables(&self) -> Tables {
        Tables {
            strict: [None; ATTEMPTS],
            window: 0,
            seen_window: 0,
            now: 0,
            in_flight: 0,
            refused: 0,
            clears: 0,
            first_admission: None,
            guesses: 0,
            too_early: false,
        }
    }

    fn programs(&self) -> Vec<Step> {
        (0..self.attempts).map(Step::Begin).collect()
    }

    fn may_start(&self, _: &Tables, _: Step, again: bool) -> bool {
        !again
    }

    fn request(step: Step) -> Request {
        match step {
            Step::Begin(_) | Step::Find(_) | Step::FindAgain(_) | Step::Verify(..) | Step::Respond(_) => {
                Request::Read
            }
            Step::Replace(..) | Step::Clear(_) | Step::CountUp(_) => Request::Write,
        }
    }

    fn take(&self, tables: &mut Tables, step: Step) -> Option<Step> {
        match step {
            Step::Begin(_) if self.many_sources && tables.in_flight >= CONCURRENCY => None,
            Step::Begin(id) => {
                tables.in_flight += u8::from(self.many_sources);
                Some(Step::Find(Attempt { id, now: self.clock(tables, id) }))
            }
            Step::Find(attempt) => {
                let seen =
                    Counters { strict: tables.strict[self.source(attempt.id)], window: tables.seen_window };
                Some(self.admit(tables, attempt, seen).unwrap_or(Step::FindAgain(attempt)))
            }
            Step::FindAgain(attempt) => {
                let seen = Counters { strict: tables.strict[self.source(attempt.id)], window: tables.window };
                let next = self.admit(tables, attempt, seen);
                tables.in_flight -= u8::from(self.many_sources && next.is_none());
                next
            }
            Step::Replace(attempt, seen, next) => {
                if !self.replace(tables, attempt.id, seen, next) {
                    return Some(Step::FindAgain(attempt));
                }
                tables.first_admission.get_or_insert(tables.now);
                Some(Step::Verify(attempt.id, tables.clears))
            }
            Step::Verify(id, clears) => {
                self.verify(tables, clears);
                let clears = id == OWNER || self.has(Flaw::ClearedByWrongPassword);
                Some(if clears { Step::Clear(id) } else { Step::CountUp(id) })
            }
            Step::Clear(id) => {
                tables.strict[self.source(id)] = None;
                if id == OWNER {
                    (tables.clears, tables.guesses, tables.first_admission) = (tables.clears + 1, 0, None);
                }
                self.many_sources.then_some(Step::Respond(id))
            }
            Step::CountUp(id) => {
                self.count_up(tables, id);
                self.many_sources.then_some(Step::Respond(id))
            }
            Step::Respond(id) => {
                tables.in_flight -= 1;
                tables.refused += u8::from(id != OWNER);
                None
            }
        }
    }

    fn events(&self, tables: &Tables) -> Vec<Event> {
        let mut events = Vec::new();
        if tables.now < END && !self.many_sources {
            events.push(Event::Tick);
        }
        if tables.seen_window != tables.window {
            events.push(Event::WindowCatchesUp);
        }
        events
    }

    fn occur(&self, tables: &mut Tables, event: Event) {
        match event {
            Event::Tick => tables.now += 1,
            Event::WindowCatchesUp => tables.seen_window = tables.window,
        }
    }

    fn properties() -> Vec<Property<System<Self>>> {
        vec![
            Property::always(
                "guesses from one source gain nothing from being concurrent",
                |_, state: &Reached| !state.tables.too_early,
            ),
            Property::always(
                "a window is exceeded only by attempts in flight, less one",
                |_, state: &Reached| state.tables.refused < MAX_ACCOUNT_FAILURES + CONCURRENCY + LAG,
            ),
            Property::always(
                "the owner can log in after the longest wait, in the next hour",
                owner_can_log_in,
            ),
        ]
    }
}

/// Returns whether the owner can log in after the longest wait and in the next hour, although every running process was
/// killed.
fn owner_can_log_in(model: &System<PasswordAttempts>, state: &Reached) -> bool {
    let (protocol, mut tables) = (&model.protocol, state.tables.clone());
    tables.now += MAX_WAIT + protocol.skew;
    (tables.window, tables.seen_window, tables.in_flight) = (0, 0, 0);
    let clears = tables.clears;
    protocol.run(&mut tables, Step::Begin(OWNER));
    tables.clears > clears
}
