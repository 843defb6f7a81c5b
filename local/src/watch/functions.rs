//! The functions, which are built and run here, and invocations that report why a function is not served instead of waiting
//! for it.
//!
//! ```text
//!  changed file ──▶ runner ── builds, starts ──▶ processes of the functions
//!                     │                             ▲
//!                     ▼                             │
//!  invoke ─────▶ state of each function ── event ───┘
//! ```
//!
//! Its modules, each of which uses only those before it: `failure`, `state`, `runner`.

mod failure;
mod runner;
mod state;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::Value;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    clock,
    observed::Observed,
    runtime_api::Outcome,
    template::Template,
    watch::{
        log::{Entry, FunctionLine, Status},
        output::print,
        triggers::Invoke,
    },
};
pub use failure::{Failure, Reason};
use runner::Runner;
pub use runner::Settings;
use state::State;

/// How long a request waits for a function that is being built. Failures are therefore reported within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a request waits while all processes are busy: as long as API Gateway waits for a function.
const LONGEST_WAIT: Duration = Duration::from_secs(29);

/// How many of its last lines the response for a process that ended has.
const LAST_LINES: usize = 10;

/// The functions of a template.
pub struct Functions(Arc<Observed<State>>);

impl Functions {
    /// Builds and starts the functions of a template, again after each change of their code, as long as `tasks` lives.
    /// Returns when each has a process that is ready for an event. If one does not build or start, that is an error.
    pub async fn start(
        template: &Template,
        settings: Settings,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>> {
        let names = || template.functions().iter().map(|function| function.operation.clone());
        let state = Arc::new(Observed::new(State::new(names())));
        let runner = Runner {
            state: Arc::clone(&state),
            definitions: template.functions().to_vec(),
            settings,
            shown: BTreeSet::new(),
        };
        tasks.spawn(runner.run());
        for function in names() {
            let served = state.when(|state| state.served(&function)).await;
            served.map_err(|reason| Failure { function, reason })?;
        }
        Ok(Arc::new(Self(state)))
    }

    /// Hands an event to a function and returns its response, with the lines that it wrote. A failure to build or start is
    /// known within two seconds.
    pub async fn invoke(&self, function: &str, event: &Value) -> (Result<Value, Failure>, Vec<String>) {
        let mut lines = Vec::new();
        let response = self.response(function, event, &mut lines).await;
        (response.map_err(|reason| Failure { function: function.to_owned(), reason }), lines)
    }

    async fn response(
        &self,
        function: &str,
        event: &Value,
        lines: &mut Vec<String>,
    ) -> Result<Value, Reason> {
        let served = self.0.when(|state| state.served(function));
        let running = timeout(PATIENCE, served).await.unwrap_or(Err(Reason::Rebuilding))?;
        let invoked = timeout(LONGEST_WAIT + running.timeout(), running.invoke_with_lines(event)).await;
        let (outcome, written) = invoked.map_err(|_| Reason::NotTaken)?;
        *lines = written;
        match outcome {
            Outcome::Response(response) => Ok(response),
            Outcome::Error { error_type, message } => Err(Reason::Error(format!("{error_type}: {message}"))),
            Outcome::TimedOut => Err(Reason::TimedOut),
            Outcome::Crashed { status, logs } => {
                let is_running = self.0.lock().is_running(function, &running);
                // Without lines of this invocation, the last ones of the process tell more than nothing.
                let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
                let output = if last.is_empty() { logs } else { last.join("\n") };
                Err(if is_running { Reason::ended(status, &output) } else { Reason::Stopped })
            }
        }
    }
}

/// Triggers wait until their function is served: that its code is being changed is not a failure of the function. Their
/// runs are logged: each delivery from a stream, and scheduled runs that did something.
impl Invoke for Functions {
    async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        self.0.when(|state| state.served(function)?.ok()).await;
        let started = clock::now();
        let (result, lines) = Functions::invoke(self, function, event).await;
        let records = event["Records"].as_array();
        let (trigger, records) = match records.map(Vec::len) {
            None => ("schedule", String::new()),
            Some(1) => ("stream", "1 record".to_owned()),
            Some(records) => ("stream", format!("{records} records")),
        };
        let reported = result.as_ref().ok().and_then(|report| report["batchItemFailures"].as_array());
        let is_success = result.is_ok() && reported.is_none_or(Vec::is_empty);
        let failure = result.as_ref().err().map(|failure| failure.reason.without_output());
        let entry = Entry::ending_now(started, trigger, &records, function, Status::Run { is_success });
        let entry = Entry { failure, lines: FunctionLine::read_all(&lines), ..entry };
        if trigger == "stream" || entry.is_notable() {
            print(entry);
        }
        Ok(result?)
    }
}
