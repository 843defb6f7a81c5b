//! What each function, process and invocation is doing at the moment.

use std::collections::{BTreeMap, BTreeSet};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use super::failure::Reason;
use crate::watch::{
    launcher::{Diagnostic, Order},
    say,
};

#[derive(Default)]
pub struct State {
    pub functions: BTreeMap<String, FunctionState>,
    pub instances: BTreeMap<Uuid, Instance>,
    pub invocations: BTreeMap<Uuid, Invocation>,
    /// The diagnostics that were shown, with the functions whose builds still give them.
    shown: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Default)]
pub struct FunctionState {
    pub phase: Phase,
    pub launcher: Option<Launcher>,
    /// Whether it has been said that the function is not served.
    pub is_away: bool,
}

#[derive(Default)]
pub enum Phase {
    /// `cargo local` has just started.
    #[default]
    New,
    Building,
    /// The launcher can start processes.
    Built,
    Failed(Reason),
}

pub struct Launcher {
    pub number: Uuid,
    pub orders: mpsc::UnboundedSender<Order>,
}

/// A process.
pub struct Instance {
    pub function: String,
    pub is_ready: bool,
    pub invocation: Option<Uuid>,
    pub idle_since: Option<Instant>,
}

pub struct Invocation {
    pub function: String,
    pub is_taken: bool,
    pub lost: Option<oneshot::Sender<Reason>>,
}

impl State {
    pub fn instances_of(&self, function: &str) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.function == function)
    }

    pub fn enter(&mut self, function: &str, phase: Phase) {
        let entry = self.functions.entry(function.to_owned()).or_default();
        entry.is_away |= matches!(phase, Phase::Failed(_));
        entry.phase = phase;
    }

    pub fn is_rebuilt(&mut self, function: &str) {
        say(format!("rebuilding {function}…"));
        if let Some(function) = self.functions.get_mut(function) {
            function.is_away = true;
        }
    }

    pub fn stop_instances(&mut self, function: &str) {
        let stopped = self.instances.extract_if(.., |_, instance| instance.function == function);
        let invocations: Vec<_> = stopped.map(|(_, instance)| instance.invocation).collect();
        for invocation in invocations {
            self.lose(invocation, &Reason::Stopped);
        }
    }

    pub fn lose(&mut self, invocation: Option<Uuid>, reason: &Reason) {
        let invocation = invocation.and_then(|token| self.invocations.get_mut(&token));
        if let Some(lost) = invocation.and_then(|invocation| invocation.lost.take()) {
            // The request may have been answered by now.
            let _ = lost.send(reason.clone());
        }
    }

    /// Shows what a build said, unless another build has said the same and still does.
    pub fn show(&mut self, function: &str, diagnostics: Vec<Diagnostic>) {
        let said: BTreeSet<&str> =
            diagnostics.iter().map(|diagnostic| diagnostic.rendered.as_str()).collect();
        self.shown.retain(|text, functions| {
            if !said.contains(text.as_str()) {
                functions.remove(function);
            }
            !functions.is_empty()
        });
        for Diagnostic { rendered, .. } in diagnostics {
            let functions = self.shown.entry(rendered).or_insert_with_key(|rendered| {
                say(rendered.trim_end());
                BTreeSet::new()
            });
            functions.insert(function.to_owned());
        }
    }
}
