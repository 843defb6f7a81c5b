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

use crate::{observed::Observed, runtime_api::Outcome, template::Template, watch::triggers::Invoke};
pub use failure::{Failure, Reason};
use runner::Runner;
pub use runner::Settings;
use state::State;

/// How long a request waits for a function that is being built. Failures are therefore reported within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a request waits while all processes are busy: as long as API Gateway waits for a function.
const LONGEST_WAIT: Duration = Duration::from_secs(29);

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

    /// Hands an event to a function and returns its response. A failure to build or start is known within two seconds.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Failure> {
        let response = self.response(function, event).await;
        response.map_err(|reason| Failure { function: function.to_owned(), reason })
    }

    async fn response(&self, function: &str, event: &Value) -> Result<Value, Reason> {
        let served = self.0.when(|state| state.served(function));
        let running = timeout(PATIENCE, served).await.unwrap_or(Err(Reason::Rebuilding))?;
        let outcome = timeout(LONGEST_WAIT + running.timeout(), running.invoke(event)).await;
        match outcome.map_err(|_| Reason::NotTaken)? {
            Outcome::Response(response) => Ok(response),
            Outcome::Error { error_type, message } => Err(Reason::Error(format!("{error_type}: {message}"))),
            Outcome::TimedOut => Err(Reason::TimedOut),
            Outcome::Crashed { status, logs } => {
                let is_running = self.0.lock().is_running(function, &running);
                Err(if is_running { Reason::Ended { status, last_output: logs } } else { Reason::Stopped })
            }
        }
    }
}

/// Triggers wait until their function is served: that its code is being changed is not a failure of the function.
impl Invoke for Functions {
    async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        self.0.when(|state| state.served(function)?.ok()).await;
        Ok(Functions::invoke(self, function, event).await?)
    }
}
