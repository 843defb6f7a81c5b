//! The connections of launchers: their reports, and the functions that run as long as their launchers live.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use uuid::Uuid;

use super::{failure::Reason, state::State};
use crate::{
    observed::Observed,
    runtime_api::{Function, FunctionOptions, Outcome},
    watch::launcher::Report,
};

/// Serves launchers for ever. `options` returns how to run a function, apart from its binary.
pub async fn serve(
    listener: UnixListener,
    state: Arc<Observed<State>>,
    options: impl Fn(&str) -> Result<FunctionOptions> + Clone + Send + Sync + 'static,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((connection, _)) = listener.accept() => {
                let (state, options) = (Arc::clone(&state), options.clone());
                connections.spawn(async move {
                    // An error is the end of a launcher, as is the end of its reports.
                    let _ = serve_launcher(connection, &state, options).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_launcher(
    connection: UnixStream,
    state: &Observed<State>,
    options: impl Fn(&str) -> Result<FunctionOptions>,
) -> Result<()> {
    let number = Uuid::new_v4();
    let mut reports = BufReader::new(connection).lines();
    let first = reports.next_line().await?.context("the launcher ended at once")?;
    let Report::Building(function) = serde_json::from_str(&first)? else { bail!("{first} comes first") };
    state.change(|state| state.building(&function, number));
    let second = reports.next_line().await.ok().flatten();
    match second.and_then(|report| serde_json::from_str(&report).ok()) {
        Some(Report::Built { binary, diagnostics }) => {
            state.change(|state| state.show(&function, diagnostics));
            let options = options(&function).map(|options| FunctionOptions { binary, ..options });
            tokio::select! {
                started = start(options) => match started {
                    Ok(running) => state.change(|state| state.serving(&function, running)),
                    Err(reason) => state.change(|state| state.failed(&function, reason)),
                },
                _ = reports.next_line() => {}
            }
            // The launcher reports nothing more. It lives until a file changes.
            let _ = reports.next_line().await;
        }
        Some(Report::NotBuilt { diagnostics }) => {
            let error = diagnostics.iter().find(|diagnostic| diagnostic.is_error);
            let summary = error.map(|error| error.summary.clone()).unwrap_or_default();
            state.change(|state| {
                state.show(&function, diagnostics);
                state.failed(&function, Reason::NotBuilt(summary));
            });
        }
        Some(Report::Building(_)) | None => {}
    }
    state.change(|state| state.launcher_ended(&function, number));
    Ok(())
}

/// Starts a function, and waits until its first process has initialised.
async fn start(options: Result<FunctionOptions>) -> Result<Function, Reason> {
    let ended = |status, last_output| Reason::EndedAtStart { status, last_output };
    let started = async { Function::start_on_demand(options?).await };
    let running = started.await.map_err(|error| ended(format!("{error:#}"), String::new()))?;
    match running.ready().await {
        Ok(()) => Ok(running),
        Err(Outcome::Crashed { status, logs }) => Err(ended(status, logs)),
        Err(other) => Err(ended(format!("{other:?}"), String::new())),
    }
}
