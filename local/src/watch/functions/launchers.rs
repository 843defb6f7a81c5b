//! The launchers' connections: what they report of builds and processes, and the processes that are ordered from them.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    task::JoinSet,
};
use uuid::Uuid;

use super::{
    Functions,
    failure::Reason,
    failure_of,
    state::{Launcher, Phase},
};
use crate::watch::{
    launcher::{Order, Report},
    say,
};

impl Functions {
    pub(super) async fn serve_launchers(self: Arc<Self>, listener: UnixListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Ok((connection, _)) = listener.accept() => {
                    let functions = Arc::clone(&self);
                    connections.spawn(async move {
                        // An error is the end of a launcher, as is the end of its reports.
                        let _ = functions.serve_launcher(connection).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn serve_launcher(&self, connection: UnixStream) -> Result<()> {
        let number = Uuid::new_v4();
        let (reports, mut writer) = connection.into_split();
        let (orders, mut ordered) = mpsc::unbounded_channel::<Order>();
        let mut reports = BufReader::new(reports).lines();
        let first = reports.next_line().await?.context("the launcher ended at once")?;
        let Report::Building(function) = serde_json::from_str(&first)? else { bail!("{first} comes first") };
        self.building(&function, Launcher { number, orders });
        loop {
            tokio::select! {
                line = reports.next_line() => {
                    let Ok(Some(line)) = line else { break };
                    let Ok(report) = serde_json::from_str(&line) else { break };
                    self.reported(&function, report);
                }
                Some(order) = ordered.recv() => {
                    let line = serde_json::to_string(&order)? + "\n";
                    if writer.write_all(line.as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.launcher_ended(&function, number);
        Ok(())
    }

    fn building(&self, function: &str, launcher: Launcher) {
        self.state.change(|state| {
            let entry = state.functions.entry(function.to_owned()).or_default();
            let was = std::mem::replace(&mut entry.phase, Phase::Building);
            entry.launcher = Some(launcher);
            // What the launcher before had started ends with it.
            state.stop_instances(function);
            match was {
                Phase::Failed(_) | Phase::Built => state.is_rebuilt(function),
                // Nothing new.
                Phase::New | Phase::Building => {}
            }
        });
    }

    fn reported(&self, function: &str, report: Report) {
        self.state.change(|state| match report {
            Report::Building(_) => {}
            Report::Built { diagnostics } => {
                state.show(function, diagnostics);
                state.enter(function, Phase::Built);
                self.order_process(state, function);
            }
            Report::NotBuilt { diagnostics } => {
                let error = diagnostics.iter().find(|diagnostic| diagnostic.is_error);
                let summary = error.map(|error| error.summary.clone()).unwrap_or_default();
                state.show(function, diagnostics);
                let reason = Reason::NotBuilt(summary);
                say(failure_of(function, reason.clone()));
                state.enter(function, Phase::Failed(reason));
                // It ends now.
                if let Some(function) = state.functions.get_mut(function) {
                    function.launcher = None;
                }
            }
            Report::Exited { instance, status, last_words } => {
                let Some(process) = state.instances.remove(&instance) else { return };
                if process.is_ready {
                    say(format!(
                        "The function {function} has ended ({status}). The next request starts it again."
                    ));
                    state.lose(process.invocation, &Reason::Ended { status, last_words });
                } else {
                    let reason = Reason::EndedAtStart { status, last_words };
                    say(failure_of(function, reason.clone()));
                    state.enter(function, Phase::Failed(reason));
                }
            }
        });
    }

    fn launcher_ended(&self, function: &str, number: Uuid) {
        self.state.change(|state| {
            let Some(entry) = state.functions.get_mut(function) else { return };
            if entry.launcher.take_if(|launcher| launcher.number == number).is_none() {
                return;
            }
            entry.phase = Phase::Building;
            state.stop_instances(function);
            state.is_rebuilt(function);
        });
    }
}
