//! The functions that `cargo lambda watch` builds and runs: what each one does at the moment, and invocations that say
//! so instead of waiting for a function that does not answer.
//!
//! ```text
//!  invoke ──▶ cargo lambda watch ──▶ relay ──▶ process of the function
//!                    │ runs, for each function                ▲ starts
//!                    └────────▶ launcher (in place of cargo) ─┘
//! ```
//!
//! The launcher reports builds and ends of processes, the relay which process is ready and what it has in hand.

mod failure;
mod launchers;
mod relay;
mod state;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::UnixListener, sync::oneshot, task::JoinSet, time::Instant};
use uuid::Uuid;

pub use failure::{Failure, Reason};

use super::{
    endpoint::Endpoint,
    launcher::{CARGO_VARIABLE, Order, SOCKET_VARIABLE},
    say,
    wake::Invoke,
};
use crate::{loopback, observed::Observed, template::Template};
use state::{FunctionState, Instance, Invocation, Phase, State};

/// How long a request waits for a process that takes it. With what the answer takes then it is less than two seconds.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a request waits at most while all processes are busy: as long as API Gateway waits for a function.
const LONGEST_WAIT: Duration = Duration::from_secs(29);

/// How long an event that waits may take to reach a process that waits. One that takes longer is lost: it was on its way
/// to a process that ended.
const HANDED_OVER: Duration = Duration::from_millis(400);

/// How long all functions may take to start; they are built by then.
const FIRST_START: Duration = Duration::from_mins(2);

/// The functions of a template.
pub struct Functions {
    endpoint: Endpoint,
    relay: String,
    folder: TempDir,
    processes: usize,
    timeouts: BTreeMap<String, Duration>,
    state: Observed<State>,
}

/// What came of an event that the relay has fetched for a process: it is to be handed over.
struct Taken {
    timeout: Duration,
}

impl Functions {
    /// Prepares for the functions of a template, each with at most this number of processes. Serves the launchers and
    /// the processes as long as `tasks` lives.
    pub async fn new(template: &Template, processes: usize, tasks: &mut JoinSet<()>) -> Result<Arc<Self>> {
        let folder = tempfile::Builder::new().prefix("movie-bag-").tempdir()?;
        let launchers = UnixListener::bind(folder.path().join("launchers"))?;
        let listener = loopback::hidden_listener().await?;
        let functions = template.functions().iter();
        let functions = Arc::new(Self {
            endpoint: Endpoint::new(loopback::hidden_address().await?),
            relay: format!("http://{}", listener.local_addr()?),
            folder,
            processes,
            timeouts: functions.map(|function| (function.operation.clone(), function.timeout)).collect(),
            state: Observed::default(),
        });
        let router = relay::router(Arc::clone(&functions));
        tasks.spawn(async move {
            // Accepting connections never ends.
            let _ = axum::serve(listener, router).await;
        });
        let served = Arc::clone(&functions);
        tasks.spawn(async move { served.serve_launchers(launchers).await });
        Ok(functions)
    }

    /// Where `cargo lambda watch` has to listen.
    pub fn watch_address(&self) -> std::net::SocketAddr {
        self.endpoint.address()
    }

    /// The variables that make `cargo lambda watch` use launchers.
    #[expect(clippy::disallowed_methods, reason = "cargo says which cargo it is by a variable")]
    pub fn variables(&self) -> Result<[(&'static str, PathBuf); 3]> {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let this = std::env::current_exe().context("this program does not know its own path")?;
        let socket = self.folder.path().join("launchers");
        Ok([("CARGO", this), (CARGO_VARIABLE, cargo), (SOCKET_VARIABLE, socket)])
    }

    /// Starts every function once, and waits until each has a process that is ready for an event.
    pub async fn start(&self) -> Result<()> {
        let all: Vec<&String> = self.timeouts.keys().collect();
        let mut asking = JoinSet::new();
        for function in &all {
            // `cargo lambda watch` starts a function for its first event. No invocation of ours waits for this one, so
            // it reaches no process.
            let (endpoint, function) = (self.endpoint.clone(), (*function).clone());
            asking.spawn(async move { endpoint.knock(&function).await });
        }
        let refused = async {
            while let Some(asked) = asking.join_next().await {
                asked??;
            }
            std::future::pending().await
        };
        let started = self.state.when(|state| {
            let state_of =
                |function: &&String| state.functions.get(*function).map(|function| &function.phase);
            let failed = all.iter().find_map(|function| match state_of(function) {
                Some(Phase::Failed(reason)) => Some(failure_of(function, reason.clone())),
                _ => None,
            });
            let is_ready =
                |function: &&String| state.instances_of(function).any(|instance| instance.is_ready);
            failed.map(Err).or_else(|| all.iter().all(is_ready).then_some(Ok(())))
        });
        tokio::select! {
            started = started => Ok(started?),
            refused = refused => refused,
            () = tokio::time::sleep(FIRST_START) => {
                bail!("the functions have not started in {} seconds", FIRST_START.as_secs())
            }
        }
    }

    /// Hands an event to a function and gives its answer. That there is none, and why, is known within two seconds,
    /// unless a process has the event in hand.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Failure> {
        let until = Instant::now() + PATIENCE;
        let (lost, losing) = oneshot::channel();
        let invocation = Invocation { function: function.to_owned(), is_taken: false, lost: Some(lost) };
        let token = Uuid::new_v4();
        self.state.lock().invocations.insert(token, invocation);
        let _registered = Registered { functions: self, token };
        let result = async {
            self.is_served(function, until).await?;
            tokio::select! {
                answer = self.answer(function, event, token) => answer,
                Ok(reason) = losing => Err(reason),
                reason = self.watch_over(function, token, until) => Err(reason),
            }
        };
        result.await.map_err(|reason| failure_of(function, reason))
    }

    /// Waits until a function has a process that is ready, however long that takes.
    async fn until_served(&self, function: &str) {
        self.state.when(|state| self.has_process(state, function).then_some(())).await;
    }

    async fn is_served(&self, function: &str, until: Instant) -> Result<(), Reason> {
        let served =
            self.state.when(|state| match state.functions.get(function).map(|function| &function.phase) {
                Some(Phase::Failed(reason)) => Some(Err(reason.clone())),
                _ => self.has_process(state, function).then_some(Ok(())),
            });
        tokio::time::timeout_at(until, served).await.unwrap_or(Err(Reason::Rebuilding))
    }

    /// Whether a process is ready. Has one more started if there are fewer than invocations, and the first has shown that
    /// the function starts.
    fn has_process(&self, state: &mut State, function: &str) -> bool {
        let processes = state.instances_of(function).count();
        let is_ready = state.instances_of(function).any(|instance| instance.is_ready);
        let waiting = state.invocations.values().filter(|waiting| waiting.function == function).count();
        if processes == 0 || is_ready && processes < waiting.min(self.processes) {
            self.order_process(state, function);
        }
        is_ready
    }

    fn order_process(&self, state: &mut State, function: &str) {
        let Some(FunctionState { phase: Phase::Built, launcher: Some(launcher), .. }) =
            state.functions.get(function)
        else {
            return;
        };
        let instance = Uuid::new_v4();
        // If the launcher has just ended, its end is noted next.
        let _ = launcher.orders.send(Order { instance, runtime_api: format!("{}/{instance}", self.relay) });
        let process =
            Instance { function: function.to_owned(), is_ready: false, invocation: None, idle_since: None };
        state.instances.insert(instance, process);
    }

    async fn answer(&self, function: &str, event: &Value, token: Uuid) -> Result<Value, Reason> {
        loop {
            let answer = self.endpoint.invoke(function, event, token).await;
            let is_taken =
                self.state.lock().invocations.get(&token).is_some_and(|invocation| invocation.is_taken);
            // The relay has sent it back, because its process had just ended.
            if is_taken || answer.is_err() {
                return answer.map_err(|error| Reason::Error(format!("{error:#}")));
            }
        }
    }

    /// Ends when an invocation cannot be expected to be answered any more.
    async fn watch_over(&self, function: &str, token: Uuid, until: Instant) -> Reason {
        let fate = |state: &State| match state.functions.get(function).map(|function| &function.phase) {
            _ if state.invocations.get(&token).is_some_and(|found| found.is_taken) => Some(Ok(())),
            Some(Phase::Failed(reason)) => Some(Err(reason.clone())),
            _ => None,
        };
        let mut outcome = tokio::time::timeout_at(until, self.state.when(|state| fate(state))).await.ok();
        while outcome.is_none() {
            if let Some(reason) = self.hopeless(function, until) {
                return reason;
            }
            let _ = tokio::time::timeout(HANDED_OVER / 4, self.state.changed()).await;
            outcome = fate(&self.state.lock());
        }
        if let Some(Err(reason)) = outcome {
            return reason;
        }
        tokio::time::sleep(self.timeout(function)).await;
        Reason::TimedOut
    }

    /// Why an invocation that no process has taken until now never will be. While all are busy there is hope.
    fn hopeless(&self, function: &str, until: Instant) -> Option<Reason> {
        let state = self.state.lock();
        if matches!(state.functions.get(function)?.phase, Phase::Building) {
            return Some(Reason::Rebuilding);
        }
        let mut ready = state.instances_of(function).filter(|instance| instance.is_ready).peekable();
        let is_served = ready.peek().is_some();
        let is_lost =
            ready.any(|instance| instance.idle_since.is_some_and(|since| since.elapsed() > HANDED_OVER));
        (!is_served || is_lost || until.elapsed() > LONGEST_WAIT).then_some(Reason::NotTaken)
    }

    fn timeout(&self, function: &str) -> Duration {
        self.timeouts.get(function).copied().unwrap_or_default()
    }

    /// A process asks for an event. Gives its function, unless the process has ended.
    fn is_ready(&self, instance: Uuid) -> Option<String> {
        let (function, is_back) = self.state.change(|state| {
            let process = state.instances.get_mut(&instance)?;
            (process.is_ready, process.invocation, process.idle_since) = (true, None, Some(Instant::now()));
            let function = process.function.clone();
            let entry = state.functions.get_mut(&function);
            Some((function, entry.is_some_and(|entry| std::mem::take(&mut entry.is_away))))
        })?;
        if is_back {
            say(format!("{function} is served again"));
        }
        Some(function)
    }

    /// A process has answered. Gives its function, unless the process has ended.
    fn has_answered(&self, instance: Uuid) -> Option<String> {
        let mut state = self.state.lock();
        let process = state.instances.get_mut(&instance)?;
        process.invocation = None;
        Some(process.function.clone())
    }

    /// Gives an event to a process, if a request still waits for it.
    fn take(&self, token: Uuid, instance: Uuid) -> Option<Taken> {
        self.state.change(|State { instances, invocations, .. }| {
            let (process, invocation) = (instances.get_mut(&instance)?, invocations.get_mut(&token)?);
            (process.invocation, process.idle_since, invocation.is_taken) = (Some(token), None, true);
            Some(Taken { timeout: self.timeout(&process.function) })
        })
    }
}

/// Streams and schedules wait until their function is served: its code being changed is no failure of the function.
impl Invoke for Functions {
    async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        self.until_served(function).await;
        Ok(Functions::invoke(self, function, event).await?)
    }
}

/// An invocation that a request waits for.
struct Registered<'a> {
    functions: &'a Functions,
    token: Uuid,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.functions.state.lock().invocations.remove(&self.token);
    }
}

fn failure_of(function: &str, reason: Reason) -> Failure {
    Failure { function: function.to_owned(), reason }
}
