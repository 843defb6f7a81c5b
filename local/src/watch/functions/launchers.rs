//! The connections of launchers: builds and runs each function as long as its launcher lives.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use uuid::Uuid;

use super::{failure::Reason, state::State};
use crate::{
    environment,
    observed::Observed,
    runtime_api::{Function, FunctionOptions, Outcome, Output},
    template::FunctionDefinition,
    watch::{
        build::{self, Build},
        output::print,
    },
};

/// What is needed to build and run the functions.
pub struct Runner {
    pub state: Arc<Observed<State>>,
    pub cargo: PathBuf,
    /// The folder of the workspace.
    pub root: PathBuf,
    /// The file of the functions' variables.
    pub environment: PathBuf,
    /// How many processes a function has at most.
    pub processes: usize,
    pub definitions: Vec<FunctionDefinition>,
}

impl Runner {
    /// Serves launchers for ever.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Ok((connection, _)) = listener.accept() => {
                    let runner = Arc::clone(&self);
                    connections.spawn(async move {
                        // An error is the end of a launcher.
                        let _ = runner.serve_launcher(connection).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn serve_launcher(&self, connection: UnixStream) -> Result<()> {
        let number = Uuid::new_v4();
        let mut lines = BufReader::new(connection).lines();
        let options = lines.next_line().await?.context("the launcher ended at once")?;
        let options: Vec<String> = serde_json::from_str(&options)?;
        let function = options.iter().skip_while(|option| *option != "--bin").nth(1);
        let function = function.context("cargo lambda names no function to run")?;
        self.state.change(|state| state.building(function, number));
        tokio::select! {
            started = self.start(function, &options) => self.state.change(|state| match started {
                Ok(running) => state.serving(function, running),
                Err(reason) => state.failed(function, reason),
            }),
            _ = lines.next_line() => {}
        }
        // The launcher writes nothing more. It lives until a file changes.
        let _ = lines.next_line().await;
        self.state.change(|state| state.launcher_ended(function, number));
        Ok(())
    }

    /// Builds a function, starts it, and waits until its first process has initialised.
    async fn start(&self, function: &str, options: &[String]) -> Result<Function, Reason> {
        let build = build::function(&self.cargo, &self.root, options, function).await;
        let Build { binary, diagnostics } = build.map_err(|error| Reason::NotBuilt(format!("{error:#}")))?;
        let error = diagnostics.iter().find(|diagnostic| diagnostic.is_error);
        let summary = error.map(|error| error.summary.clone()).unwrap_or_default();
        self.state.change(|state| state.show(function, diagnostics));
        let binary = binary.ok_or(Reason::NotBuilt(summary))?;
        let ended = |status, last_output| Reason::EndedAtStart { status, last_output };
        let started = async { Function::start_on_demand(self.options(function, binary)?).await };
        let running = started.await.map_err(|error| ended(format!("{error:#}"), String::new()))?;
        match running.ready().await {
            Ok(()) => Ok(running),
            Err(Outcome::Crashed { status, logs }) => Err(ended(status, logs)),
            Err(other) => Err(ended(format!("{other:?}"), String::new())),
        }
    }

    fn options(&self, function: &str, binary: PathBuf) -> Result<FunctionOptions> {
        let defined = self.definitions.iter().find(|defined| defined.operation == function);
        let defined = defined.context("the function is not in template.yaml")?;
        // Functions inherit the variables of the command; those in the file take precedence.
        let inherited = std::env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        Ok(FunctionOptions {
            environment: inherited.chain(environment::read(&self.environment)?).collect(),
            instances: self.processes,
            timeout: defined.timeout,
            memory_megabytes: defined.memory_megabytes,
            output: Output::Shown(|line| print(line)),
            ..FunctionOptions::new(function, binary)
        })
    }
}
