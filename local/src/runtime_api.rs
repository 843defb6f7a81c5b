//! A Lambda Runtime API: it runs a function's real binary, hands it events and takes its responses, as the Lambda service
//! does. Its modules, each of which uses only those before it: `queue`, `written`, `api`, `instance`.

mod api;
mod instance;
mod queue;
mod written;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use crate::{observed::lock, open_files};
use instance::Instance;
pub use instance::{FunctionOptions, Output};
pub use queue::Outcome;
use queue::{Logs, Queue};

/// How many lines of a function's log a failing test shows.
const SHOWN_LINES: usize = 40;

/// A function whose processes run until it is dropped. If a panicking test drops it, it prints the end of its log.
pub struct Function {
    options: FunctionOptions,
    queue: Arc<Queue>,
    logs: Arc<Logs>,
    kill: watch::Sender<bool>,
    starts_on_demand: bool,
    started: AtomicUsize,
    // Dropping the set aborts the tasks, and each task's process is killed with it.
    tasks: Mutex<JoinSet<()>>,
}

impl Function {
    /// Starts the processes. They may still be initializing, or fail to, when this returns.
    pub async fn start(options: FunctionOptions) -> Result<Self> {
        let function = Self::new(options, false);
        for _ in 0..function.options.instances {
            let running = function.next_instance().start().await.context("a function cannot be started")?;
            lock(&function.tasks).spawn(running);
        }
        Ok(function)
    }

    /// Starts one process. Once that has initialized, invocations start more: when all are busy, up to the number of
    /// instances, and when all have ended.
    pub async fn start_on_demand(options: FunctionOptions) -> Result<Self> {
        let function = Self::new(options, true);
        let running = function.next_instance().start().await.context("a function cannot be started")?;
        lock(&function.tasks).spawn(running);
        Ok(function)
    }

    fn new(options: FunctionOptions, starts_on_demand: bool) -> Self {
        open_files::raise_limit();
        let instances = if starts_on_demand { 1 } else { options.instances };
        Self {
            queue: Arc::new(Queue::new(instances)),
            logs: options.logs(),
            options,
            kill: watch::channel(false).0,
            starts_on_demand,
            started: AtomicUsize::new(0),
            tasks: Mutex::default(),
        }
    }

    fn next_instance(&self) -> Instance {
        Instance {
            options: self.options.clone(),
            number: self.started.fetch_add(1, Ordering::Relaxed),
            queue: Arc::clone(&self.queue),
            logs: Arc::clone(&self.logs),
            killed: self.kill.subscribe(),
        }
    }

    /// Waits until every instance that was started first has initialized, which is until it requests its first event. If
    /// all instances end instead, returns the [`Outcome::Crashed`] of the last one.
    pub async fn ready(&self) -> Result<(), Outcome> {
        let instances = if self.starts_on_demand { 1 } else { self.options.instances };
        self.queue.ready(instances).await
    }

    /// Hands an event to the first free instance, and waits for the outcome.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        self.invoke_raw(event.to_string().into_bytes()).await
    }

    /// Invokes the function as [`Function::invoke`] does, with bytes that need not be JSON.
    pub async fn invoke_raw(&self, event: Vec<u8>) -> Outcome {
        self.enqueue(event).await.0
    }

    /// Invokes the function as [`Function::invoke`] does. Returns the outcome with the lines that the process wrote until
    /// then.
    pub async fn invoke_with_lines(&self, event: &Value) -> (Outcome, Vec<String>) {
        self.enqueue(event.to_string().into_bytes()).await
    }

    async fn enqueue(&self, event: Vec<u8>) -> (Outcome, Vec<String>) {
        if self.starts_on_demand && self.queue.grow(self.options.instances) {
            let (instance, queue) = (self.next_instance(), Arc::clone(&self.queue));
            lock(&self.tasks).spawn(async move {
                match instance.start().await {
                    Ok(running) => running.await,
                    Err(error) => queue.instance_ended(Outcome::not_started(&error)),
                }
            });
        }
        self.queue.invoke(event).await
    }

    /// Returns how long an invocation may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Returns the lines that all processes have written so far to their standard output and error.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.logs.lines()
    }

    /// Returns whether a process runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.running_instances() > 0
    }

    /// Returns how many processes run. A process that ended by itself is not replaced; one that was killed because an
    /// invocation took too long is.
    #[must_use]
    pub fn running_instances(&self) -> usize {
        self.queue.running()
    }

    /// Begins to kill every process, as [`Function::kill`] does.
    pub fn stop(&self) {
        self.kill.send_replace(true);
    }

    /// Kills every process and waits for its end. The invocations that they are handling are [`Outcome::Crashed`].
    pub async fn kill(&self) {
        self.stop();
        self.queue.all_ended().await;
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
        eprintln!(
            "---- log of {}: the last {} of {} lines ----",
            self.options.name,
            shown.len(),
            lines.len()
        );
        for line in shown {
            eprintln!("{line}");
        }
    }
}
