//! Builds and starts the functions, again after each change of their code.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use futures_util::future::join_all;

use super::{failure::Reason, state::State};
use crate::{
    environment,
    observed::Observed,
    runtime_api::{Function, FunctionOptions, Outcome, Output},
    template::FunctionDefinition,
    watch::{
        build::{self, Build, Diagnostic},
        changes::Changes,
        log::FunctionLine,
        output::print,
    },
};

/// How functions are built and run.
pub struct Settings {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// Whether the functions are built with optimization.
    pub release: bool,
    /// The file of the functions' variables.
    pub environment: PathBuf,
    /// How many processes a function has at most.
    pub processes: usize,
}

/// Builds and runs functions.
pub struct Runner {
    pub state: Arc<Observed<State>>,
    pub definitions: Vec<FunctionDefinition>,
    pub settings: Settings,
    /// The diagnostics of the last build.
    pub shown: BTreeSet<String>,
}

impl Runner {
    /// Serves the functions forever. A change during a build cancels it, and another one begins.
    pub async fn run(mut self) {
        let mut changes = Changes::new(self.settings.root.clone());
        loop {
            tokio::select! {
                () = self.build_and_start() => changes.next().await,
                () = changes.next() => {}
            }
            self.state.change(State::building);
        }
    }

    async fn build_and_start(&mut self) {
        let build = build::functions(&self.settings.root, self.settings.release).await;
        self.show(&build.diagnostics);
        let functions = self.definitions.iter().map(async |definition| {
            if let Err(reason) = self.start_if_changed(definition, &build).await {
                self.state.change(|state| state.failed(&definition.operation, reason));
            }
        });
        join_all(functions).await;
    }

    /// Prints the diagnostics, except for those that the last build had, too.
    fn show(&mut self, diagnostics: &[Diagnostic]) {
        let before = std::mem::take(&mut self.shown);
        for Diagnostic { rendered, .. } in diagnostics {
            if self.shown.insert(rendered.clone()) && !before.contains(rendered) {
                print(rendered.trim_end());
            }
        }
    }

    /// Starts a function that was built, unless this build of it runs already.
    async fn start_if_changed(&self, definition: &FunctionDefinition, build: &Build) -> Result<(), Reason> {
        let name = &definition.operation;
        let binary = build.binary(name).map_err(Reason::NotBuilt)?;
        let time = binary.metadata().and_then(|metadata| metadata.modified());
        let time = time.map_err(|error| Reason::NotBuilt(error.to_string()))?;
        if self.state.change(|state| state.keep(name, time)) {
            return Ok(());
        }
        let running = self.start(definition, binary).await?;
        self.state.change(|state| state.serving(name, running, time));
        Ok(())
    }

    /// Starts a function, and waits until its first process has initialized.
    async fn start(&self, definition: &FunctionDefinition, binary: &Path) -> Result<Function, Reason> {
        let started = async { Function::start_on_demand(self.options(definition, binary)?).await };
        let running = started.await.map_err(|error| Reason::ended_at_start(format!("{error:#}"), ""))?;
        match running.ready().await {
            Ok(()) => Ok(running),
            Err(Outcome::Crashed { status, logs }) => Err(Reason::ended_at_start(status, &logs)),
            Err(other) => Err(Reason::ended_at_start(format!("{other:?}"), "")),
        }
    }

    fn options(&self, definition: &FunctionDefinition, binary: &Path) -> Result<FunctionOptions> {
        // Functions inherit the variables of the command; those in the file take precedence.
        let inherited = std::env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        let file = environment::read(&self.settings.environment)?;
        // The format that `FunctionLine` reads, and that the template chooses.
        let format = ("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned());
        Ok(FunctionOptions {
            environment: inherited.chain(file).chain([format]).collect(),
            instances: self.settings.processes,
            timeout: definition.timeout,
            memory_megabytes: definition.memory_megabytes,
            output: Output::Shown(|name, line| {
                for line in FunctionLine::read_all([line]) {
                    print(format!("{name}: {line}"));
                }
            }),
            ..FunctionOptions::new(&definition.operation, binary)
        })
    }
}
