//! Looks after the functions' processes: `cargo lambda` does not say which function has ended, nothing at all when a
//! signal has ended it, and leaves the requests of one that is gone without an answer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::say;
use crate::processes::Program;

/// How often to look. A process counts as gone when it is missing twice in a row, so that one that is just being
/// replaced does not.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many processes of each function `cargo lambda` has started.
#[derive(Default)]
pub struct Instances(Mutex<BTreeMap<String, usize>>);

impl Instances {
    /// Learns from a line of `cargo lambda` which function it starts.
    pub fn note(&self, line: &str) {
        let rest = line.strip_prefix(" INFO starting lambda function instance function=\"");
        if let Some((name, _)) = rest.and_then(|rest| rest.split_once('"')) {
            *self.started().entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Says when processes of a function have ended. `pid` is the process that starts them.
    pub async fn look_after(&self, pid: u32) {
        let mut before = BTreeMap::new();
        let mut told = BTreeMap::new();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let missing = self.missing(&Program::children(pid));
            let gone = both(&missing, &before);
            for (name, count) in gone.iter().filter(|(name, count)| told.get(*name) < Some(*count)) {
                let all = self.started().get(name).copied().unwrap_or_default();
                say(format!(
                    "The function {name} has crashed or does not build: {count} of its {all} instances ended. \
                     They start again when the code changes."
                ));
            }
            (before, told) = (missing, gone);
        }
    }

    /// How many processes of each function are missing, given the command lines of all that run.
    fn missing(&self, running: &[Vec<String>]) -> BTreeMap<String, usize> {
        // A function runs as `target/debug/<name>`, and as `cargo run … --bin <name>` while it is built.
        let is_of = |command: &[String], name: &str| {
            command.first().is_some_and(|program| program.rsplit('/').next() == Some(name))
                || command.last().is_some_and(|argument| argument == name)
        };
        let started = self.started();
        let missing = started.iter().map(|(name, started)| {
            let running = running.iter().filter(|command| is_of(command, name)).count();
            (name.clone(), started.saturating_sub(running))
        });
        missing.filter(|(_, missing)| *missing > 0).collect()
    }

    fn started(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in both counts, as often as in the smaller.
fn both(one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    let shared = one.iter().filter_map(|(name, count)| Some((name.clone(), *count.min(other.get(name)?))));
    shared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_lack_processes_are_found() {
        let instances = Instances::default();
        for name in ["login", "signup", "signup"] {
            instances
                .note(&format!(" INFO starting lambda function instance function=\"{name}\" instance_id=1"));
        }
        let command = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let running = [
            command("target/debug/login"),
            command("cargo run --bin signup"),
            command("target/debug/signup"),
        ];
        assert!(instances.missing(&running).is_empty());
        assert_eq!(instances.missing(&running[..2]), BTreeMap::from([("signup".to_owned(), 1)]));
        assert_eq!(
            instances.missing(&running[2..]),
            BTreeMap::from([("login".to_owned(), 1), ("signup".to_owned(), 1)])
        );
    }

    #[test]
    fn only_what_stays_missing_counts() {
        let counts =
            |signup, login| BTreeMap::from([("signup".to_owned(), signup), ("login".to_owned(), login)]);
        assert_eq!(both(&counts(2, 1), &counts(1, 3)), counts(1, 1));
        assert!(both(&counts(2, 1), &BTreeMap::new()).is_empty());
    }
}
