//! What each function is doing.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::failure::{Failure, Reason};
use crate::{runtime_api::Function, watch::output::print};

/// The state of all functions. Requests wait for its changes through [`Observed`](crate::observed::Observed).
pub struct State(BTreeMap<String, FunctionState>);

#[derive(Default)]
struct FunctionState {
    phase: Phase,
    /// The function that runs, also while a build may replace it.
    running: Option<Running>,
    /// Whether it has been served or has failed since `cargo local` started.
    has_begun: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Building,
    Serving,
    Failed(Reason),
}

struct Running {
    function: Arc<Function>,
    /// When its binary was built.
    built: SystemTime,
}

impl State {
    pub fn new(functions: impl Iterator<Item = String>) -> Self {
        Self(functions.map(|name| (name, FunctionState::default())).collect())
    }

    /// Returns the running function, or why it cannot run until its code changes; `None` while it is being built.
    pub fn served(&self, function: &str) -> Option<Result<Arc<Function>, Reason>> {
        let state = self.0.get(function)?;
        match &state.phase {
            Phase::Building => None,
            Phase::Serving => state.running.as_ref().map(|running| Ok(Arc::clone(&running.function))),
            Phase::Failed(reason) => Some(Err(reason.clone())),
        }
    }

    /// Returns whether this is still the function that runs, served or not.
    pub fn is_running(&self, name: &str, function: &Arc<Function>) -> bool {
        let running = self.0.get(name).and_then(|state| state.running.as_ref());
        running.is_some_and(|running| Arc::ptr_eq(&running.function, function))
    }

    /// Notes that a build of all functions begins.
    pub fn building(&mut self) {
        for (name, state) in &mut self.0 {
            if let Phase::Failed(_) = std::mem::take(&mut state.phase) {
                print(format!("rebuilding {name}…"));
            }
        }
    }

    /// Serves the function that runs, if it runs the binary that was built at this time. Returns whether it does.
    pub fn keep(&mut self, function: &str, built: SystemTime) -> bool {
        let Some(state) = self.0.get_mut(function) else { return false };
        let is_kept = state.running.as_ref().is_some_and(|running| running.built == built);
        if is_kept {
            state.phase = Phase::Serving;
        }
        is_kept
    }

    /// Notes that a function has started whose binary was built at this time.
    pub fn serving(&mut self, name: &str, function: Function, built: SystemTime) {
        let running = Running { function: Arc::new(function), built };
        if self.replace(name, Phase::Serving, Some(running)) {
            print(format!("{name} is served again"));
        }
    }

    /// Notes why a function cannot be served, and prints it.
    pub fn failed(&mut self, function: &str, reason: Reason) {
        print(Failure { function: function.to_owned(), reason: reason.clone() });
        self.replace(function, Phase::Failed(reason), None);
    }

    /// Replaces the function that runs, and stops it. Returns whether it had been served or had failed before.
    fn replace(&mut self, function: &str, phase: Phase, running: Option<Running>) -> bool {
        let Some(state) = self.0.get_mut(function) else { return false };
        state.phase = phase;
        if let Some(before) = std::mem::replace(&mut state.running, running) {
            before.function.stop();
        }
        std::mem::replace(&mut state.has_begun, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_away_from_its_failure_until_it_is_rebuilt() {
        let mut state = State::new(std::iter::once("f".to_owned()));
        assert!(state.served("f").is_none());
        let reason = Reason::NotBuilt("expected `;`".to_owned());
        state.failed("f", reason.clone());
        assert_eq!(state.served("f").expect("a result").err(), Some(reason));
        state.building();
        assert!(state.served("f").is_none());
        assert!(!state.keep("f", SystemTime::UNIX_EPOCH), "nothing runs");
        state.failed(
            "f",
            Reason::EndedAtStart { status: "exit status: 1".to_owned(), last_output: String::new() },
        );
        assert!(state.served("f").is_some(), "a failure stays until the next build");
        state.building();
        assert!(state.served("f").is_none(), "it is being rebuilt");
    }
}
