//! What each function is doing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::failure::{Failure, Reason};
use crate::{
    runtime_api::Function,
    watch::{build::Diagnostic, output::print},
};

/// The state of all functions. Requests wait for its changes through [`Observed`](crate::observed::Observed).
pub struct State {
    functions: BTreeMap<String, FunctionState>,
    /// The diagnostics that were shown, with the functions whose builds still have them.
    shown: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Default)]
struct FunctionState {
    phase: Phase,
    /// The connected launcher.
    launcher: Option<Uuid>,
    /// Whether a message has said that the function is not served.
    is_away: bool,
}

#[derive(Default)]
enum Phase {
    /// `cargo local` has just started.
    #[default]
    New,
    Building,
    Serving(Arc<Function>),
    Failed(Reason),
}

impl State {
    pub fn new(functions: impl Iterator<Item = String>) -> Self {
        let functions = functions.map(|name| (name, FunctionState::default()));
        Self { functions: functions.collect(), shown: BTreeMap::new() }
    }

    /// Returns the names of all functions.
    pub fn names(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }

    /// Returns the first failure of any function; success once every function is served; `None` before.
    pub fn started(&self) -> Option<Result<(), Failure>> {
        let mut is_complete = true;
        for function in self.functions.keys() {
            match self.served(function) {
                Some(Ok(_)) => {}
                Some(Err(reason)) => return Some(Err(Failure { function: function.clone(), reason })),
                None => is_complete = false,
            }
        }
        is_complete.then_some(Ok(()))
    }

    /// Returns the running function, or why it cannot run until its code changes; `None` while it is being built.
    pub fn served(&self, function: &str) -> Option<Result<Arc<Function>, Reason>> {
        match &self.functions.get(function)?.phase {
            Phase::New | Phase::Building => None,
            Phase::Serving(running) => Some(Ok(Arc::clone(running))),
            Phase::Failed(reason) => Some(Err(reason.clone())),
        }
    }

    /// Notes that a launcher begins to build a function.
    pub fn building(&mut self, function: &str, launcher: Uuid) {
        let Some(state) = self.functions.get_mut(function) else { return };
        state.launcher = Some(launcher);
        match self.enter(function, Phase::Building) {
            Phase::Failed(_) | Phase::Serving(_) => self.rebuilding(function),
            // A message has been printed already, or none is needed.
            Phase::New | Phase::Building => {}
        }
    }

    /// Notes that a function has started.
    pub fn serving(&mut self, function: &str, running: Function) {
        self.enter(function, Phase::Serving(Arc::new(running)));
        let state = self.functions.get_mut(function);
        if state.is_some_and(|state| std::mem::take(&mut state.is_away)) {
            print(format!("{function} is served again"));
        }
    }

    /// Notes why a function cannot be served, and prints it.
    pub fn failed(&mut self, function: &str, reason: Reason) {
        print(Failure { function: function.to_owned(), reason: reason.clone() });
        self.enter(function, Phase::Failed(reason));
        if let Some(state) = self.functions.get_mut(function) {
            state.is_away = true;
        }
    }

    /// Notes that a launcher has ended. A failure stays until the next launcher builds.
    pub fn launcher_ended(&mut self, function: &str, launcher: Uuid) {
        let Some(state) = self.functions.get_mut(function) else { return };
        let is_current = state.launcher.take_if(|current| *current == launcher).is_some();
        if is_current && !matches!(state.phase, Phase::Failed(Reason::NotBuilt(_))) {
            self.enter(function, Phase::Building);
            self.rebuilding(function);
        }
    }

    /// Shows the diagnostics of a build, except for those that are shown already and still apply.
    pub fn show(&mut self, function: &str, diagnostics: Vec<Diagnostic>) {
        let current: BTreeSet<&str> =
            diagnostics.iter().map(|diagnostic| diagnostic.rendered.as_str()).collect();
        self.shown.retain(|text, functions| {
            if !current.contains(text.as_str()) {
                functions.remove(function);
            }
            !functions.is_empty()
        });
        for Diagnostic { rendered, .. } in diagnostics {
            let functions = self.shown.entry(rendered).or_insert_with_key(|rendered| {
                print(rendered.trim_end());
                BTreeSet::new()
            });
            functions.insert(function.to_owned());
        }
    }

    /// Replaces the phase of a function. Stops the function that ran before.
    fn enter(&mut self, function: &str, phase: Phase) -> Phase {
        let Some(state) = self.functions.get_mut(function) else { return phase };
        let before = std::mem::replace(&mut state.phase, phase);
        if let Phase::Serving(running) = &before {
            running.stop();
        }
        before
    }

    fn rebuilding(&mut self, function: &str) {
        print(format!("rebuilding {function}…"));
        if let Some(state) = self.functions.get_mut(function) {
            state.is_away = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_away_from_its_failure_until_it_is_rebuilt() {
        let mut state = State::new(std::iter::once("f".to_owned()));
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        state.building("f", first);
        assert!(state.started().is_none());
        let reason = Reason::NotBuilt("expected `;`".to_owned());
        state.failed("f", reason.clone());
        state.launcher_ended("f", first);
        let failure = state.started().expect("a result").expect_err("a failure");
        assert_eq!(failure, Failure { function: "f".to_owned(), reason });
        state.building("f", second);
        assert!(state.served("f").is_none());
        state.failed(
            "f",
            Reason::EndedAtStart { status: "exit status: 1".to_owned(), last_output: String::new() },
        );
        state.launcher_ended("f", first);
        assert!(state.served("f").is_some(), "only the end of its own launcher has an effect");
        state.launcher_ended("f", second);
        assert!(state.served("f").is_none(), "it is being rebuilt");
    }
}
