//! A Lambda Runtime API for tests and benchmarks: it runs a function's real binary, hands it events and takes its
//! answers, as the Lambda service does.

mod api;
mod process;
mod queue;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use process::Instance;
use queue::{Logs, Queue};

/// Where a process writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// What it writes is kept as its log.
    #[default]
    Logs,
    /// To a device that is full: every write fails.
    Full,
    /// To a pipe that nobody reads any more: every write fails.
    Closed,
}

/// What to run and how.
#[derive(Debug, Clone)]
pub struct FunctionOptions {
    /// The function's name, which its Lambda variables and its ARN carry.
    pub name: String,
    /// The executable.
    pub binary: PathBuf,
    /// Variables in addition to Lambda's own; nothing is inherited from this process.
    pub environment: Vec<(String, String)>,
    /// How many processes serve invocations at the same time.
    pub instances: usize,
    /// After this time an invocation's process is killed and replaced.
    pub timeout: Duration,
    /// What the function is told that it has; nothing enforces it.
    pub memory_megabytes: u32,
    /// Where its standard output and error go.
    pub output: Output,
}

impl FunctionOptions {
    /// One instance with ten seconds and 128 MB, and no variables but Lambda's own.
    pub fn new(name: impl Into<String>, binary: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            binary: binary.into(),
            environment: Vec::new(),
            instances: 1,
            timeout: Duration::from_secs(10),
            memory_megabytes: 128,
            output: Output::Logs,
        }
    }
}

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function's answer.
    Response(Value),
    /// The function reported an error to the Runtime API.
    #[expect(missing_docs, reason = "the Runtime API's own names")]
    Error { error_type: String, message: String },
    /// The process ended with the invocation in its hands, or no process is left that could take it.
    Crashed {
        /// How it ended, such as `exit status: 101`.
        status: String,
        /// What it wrote to its standard output and error.
        logs: String,
    },
    /// The function's time was over; its process was killed.
    TimedOut,
}

/// So many lines of a function's log are shown where a test fails.
const SHOWN_LINES: usize = 40;

/// A function whose processes run until it is dropped. If that is because a test panics, the end of its log is printed.
pub struct Function {
    name: String,
    queue: Arc<Queue>,
    logs: Arc<Logs>,
    kill: watch::Sender<bool>,
    instances: usize,
    // Dropping the set aborts the tasks, and each task's process is killed with it.
    _tasks: JoinSet<()>,
}

impl Function {
    /// Starts the processes. They may still be initialising, or fail to, when this returns.
    pub async fn start(options: FunctionOptions) -> Result<Self> {
        Self::start_with(options, |_| Vec::new()).await
    }

    /// As [`Function::start`], with more variables for each instance, which are counted from 0.
    pub async fn start_with(
        options: FunctionOptions,
        environment: impl Fn(usize) -> Vec<(String, String)>,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(options.instances));
        let logs = Arc::new(Logs::default());
        let (kill, killed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..options.instances {
            let mut options = options.clone();
            options.environment.extend(environment(number));
            let instance =
                Instance::start(options, number, Arc::clone(&queue), Arc::clone(&logs), killed.clone());
            tasks.spawn(instance.await.context("a function cannot be started")?.run());
        }
        Ok(Self { name: options.name, queue, logs, kill, instances: options.instances, _tasks: tasks })
    }

    /// Waits until every instance has initialised, which is until it asks for its first event. If they end instead,
    /// this gives the [`Outcome::Crashed`] of the last one.
    pub async fn ready(&self) -> Result<(), Outcome> {
        self.queue.ready(self.instances).await
    }

    /// Hands an event to the first free instance and waits for what comes of it.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        self.invoke_raw(event.to_string().into_bytes()).await
    }

    /// As [`Function::invoke`], with bytes that need not be JSON.
    pub async fn invoke_raw(&self, event: Vec<u8>) -> Outcome {
        self.queue.invoke(event).await
    }

    /// The lines that all processes have written so far to their standard output and error.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.logs.lines()
    }

    /// Whether a process runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.running_instances() > 0
    }

    /// How many processes run. One that ended by itself is not replaced; one that was killed for its time is.
    #[must_use]
    pub fn running_instances(&self) -> usize {
        self.queue.running()
    }

    /// Kills every process now and waits for their end; invocations they have in hand are [`Outcome::Crashed`].
    pub async fn kill(&self) {
        self.kill.send_replace(true);
        self.queue.nothing_runs().await;
    }
}

impl Drop for Function {
    #[expect(clippy::print_stderr, reason = "this is where a person reads why a test failed")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let lines = self.logs();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        eprintln!("---- log of {}: the last {} of {} lines ----", self.name, shown.len(), lines.len());
        for line in shown {
            eprintln!("{line}");
        }
    }
}
