//! A proxy in front of the embedded database, for tests: it records what each function asks for and makes the faults
//! that the real service has and the emulator never shows.

mod answer;
mod call;
mod gate;
mod server;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::{net::TcpListener, task::JoinSet};

pub use call::{Call, HEALTH_CHECK};
pub use gate::Gate;

/// What happens to a call instead of an ordinary answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 400 `ProvisionedThroughputExceededException`.
    Throttle,
    /// 400 `TransactionCanceledException` because of another transaction, at this position among the request's items;
    /// for a request that is no transaction 400 `TransactionConflictException`.
    TransactionConflict {
        /// The item, counted from 0.
        position: usize,
    },
    /// 400 `TransactionCanceledException` with these codes, one for each item of the request: `None`,
    /// `ConditionalCheckFailed`, `TransactionConflict`, `ThrottlingError`, …
    CancellationReasons(Vec<&'static str>),
    /// 200 to a `BatchGetItem` of which nothing was processed: all its keys are `UnprocessedKeys`.
    Unprocessed,
    /// 500 `InternalServerError`.
    ServerError,
    /// 503 without a body, as a load balancer answers.
    Unavailable503,
    /// 400 `AccessDeniedException`.
    AccessDenied,
    /// 400 `ResourceNotFoundException`.
    TableMissing,
    /// The call is accepted and never answered.
    Stall,
    /// The database does what it is asked; then the connection is closed without an answer.
    LoseResponse,
    /// The call waits until the test opens the gate, and only then goes to the database.
    Hold(Gate),
}

/// Which calls a fault befalls.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Only calls of this function; of every one if `None`.
    pub caller: Option<String>,
    /// Only this operation, such as `TransactWriteItems`; every one if `None`, but no [`HEALTH_CHECK`].
    pub operation: Option<String>,
    /// So many fitting calls go through first.
    pub skip: usize,
    /// So many fitting calls then meet the fault; `usize::MAX` is for ever.
    pub times: usize,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// The next call of any function meets this fault, once.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { caller: None, operation: None, skip: 0, times: 1, fault }
    }

    /// Every call of any function meets this fault.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { times: usize::MAX, ..Self::once(fault) }
    }

    /// Restricts the rule to one function.
    #[must_use]
    pub fn from(self, caller: &str) -> Self {
        Self { caller: Some(caller.to_owned()), ..self }
    }

    /// Restricts the rule to one operation.
    #[must_use]
    pub fn on(self, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self }
    }

    /// Lets so many fitting calls through first.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    fn fits(&self, call: &Call) -> bool {
        self.caller.as_ref().is_none_or(|caller| *caller == call.caller)
            && self.operation.as_deref().map_or(call.operation != HEALTH_CHECK, |name| name == call.operation)
    }
}

/// Names the calls that it fits, for a person.
impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.as_deref().unwrap_or("any operation");
        let caller = self.caller.as_deref().unwrap_or("any function");
        write!(formatter, "{operation} of {caller}")?;
        if self.skip > 0 { write!(formatter, ", after {} of them", self.skip) } else { Ok(()) }
    }
}

/// A running proxy. It stops when it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    calls: Vec<Arc<Mutex<Call>>>,
    health_checks: Vec<Arc<Mutex<Call>>>,
    rules: Vec<Rule>,
}

impl FaultProxy {
    /// Starts a proxy on any free port of 127.0.0.1 in front of the database at this address.
    pub async fn start(database_endpoint: impl Into<String>) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the fault proxy cannot listen")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let mut server = JoinSet::new();
        server.spawn(server::serve(listener, database_endpoint.into(), Arc::clone(&state)));
        Ok(Self { address, state, _server: server })
    }

    /// The address that one function is given as its database, so that its calls carry its name.
    #[must_use]
    pub fn endpoint_for(&self, caller: &str) -> String {
        format!("http://{}/{caller}", self.address)
    }

    /// Adds a rule. The first rule that fits a call, and is not used up, decides.
    pub fn inject(&self, rule: Rule) {
        if let Fault::Hold(gate) = &rule.fault {
            gate.waits_for(rule.to_string());
        }
        lock(&self.state).rules.push(rule);
    }

    /// Forgets every rule. Calls that are stalled or held stay so.
    pub fn clear_rules(&self) {
        lock(&self.state).rules.clear();
    }

    /// Every call so far, in the order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.iter().map(|call| lock(call).clone()).collect()
    }

    /// The calls of one function so far.
    #[must_use]
    pub fn calls_of(&self, caller: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.caller == caller).collect()
    }

    /// How often one function has asked whether the database is well, and over which connections.
    #[must_use]
    pub fn health_checks_of(&self, caller: &str) -> Vec<Call> {
        let checks = lock(&self.state);
        let checks = checks.health_checks.iter().map(|check| lock(check).clone());
        checks.filter(|check| check.caller == caller).collect()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        lock(&self.state).calls.clear();
    }
}

impl State {
    /// Records a call and says what is to happen to it.
    fn arrival(&mut self, call: &Arc<Mutex<Call>>) -> Option<Fault> {
        let is_check = lock(call).operation == HEALTH_CHECK;
        let list = if is_check { &mut self.health_checks } else { &mut self.calls };
        list.push(Arc::clone(call));
        let call = lock(call);
        for rule in self.rules.iter_mut().filter(|rule| rule.fits(&call)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                if let Fault::Hold(gate) = &rule.fault {
                    gate.let_by();
                }
            } else if rule.times > 0 {
                rule.times = if rule.times == usize::MAX { usize::MAX } else { rule.times - 1 };
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
