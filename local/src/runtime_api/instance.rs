//! One instance of a function: one process at a time, each with a Runtime API of its own.

use std::{fs::File, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::Router;
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
};

use super::{
    api::{self, Process},
    queue::{Logs, Outcome, Queue},
    written::Written,
};
use crate::{loopback::listen_with_secret_path, observed::Observed, template::REGION};

/// How long a process may take to request its first event. Lambda gives ten seconds; a busy machine that starts fifty
/// processes at once needs more.
const INITIALIZATION_LIMIT: Duration = Duration::from_mins(1);

/// The destination of a process's output.
#[derive(Debug, Clone, Copy, Default)]
pub enum Output {
    /// The function's log.
    #[default]
    Logs,
    /// The end of the function's log, and this function for each line that belongs to no invocation. It is called with the
    /// function's name and the line.
    Shown(fn(&str, &str)),
    /// A device that is full, which only Linux has: every write fails.
    Full,
    /// A pipe without a reader: every write fails.
    Closed,
}

impl Output {
    /// The destinations on this system to which every write fails.
    pub const FAILING: &[Self] =
        if cfg!(target_os = "linux") { &[Self::Full, Self::Closed] } else { &[Self::Closed] };
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
    /// The memory that the function is told that it has; nothing enforces it.
    pub memory_megabytes: u32,
    /// The destination of its standard output and error.
    pub output: Output,
}

/// How many lines of the log are kept with [`Output::Shown`].
const SHOWN_LINES: usize = 10;

impl FunctionOptions {
    /// Returns options for one instance with ten seconds and 128 MB, and no variables but Lambda's own.
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

    /// Returns a new log.
    pub(super) fn logs(&self) -> Arc<Logs> {
        let is_shown = matches!(self.output, Output::Shown(_));
        Arc::new(Logs::new(if is_shown { SHOWN_LINES } else { usize::MAX }))
    }

    /// Returns what shows a line that belongs to no invocation.
    fn shows(&self) -> impl Fn(&str) + Send + use<> {
        let (output, name) = (self.output, self.name.clone());
        move |line| {
            if let Output::Shown(show) = output {
                show(&name, line);
            }
        }
    }
}

pub struct Instance {
    pub options: FunctionOptions,
    pub number: usize,
    pub queue: Arc<Queue>,
    pub logs: Arc<Logs>,
    pub killed: watch::Receiver<bool>,
}

/// A process and its Runtime API.
struct Running {
    process: Arc<Process>,
    child: Child,
    /// What this process has written.
    logs: Arc<Logs>,
    _tasks: JoinSet<()>,
}

impl Instance {
    /// Starts the first process. The result runs the instance to its end.
    pub async fn start(self) -> Result<impl Future<Output = ()>> {
        let first = self.spawn().await?;
        Ok(self.run(first))
    }

    async fn run(mut self, mut running: Running) {
        let end = loop {
            if let Some(end) = self.watch(&mut running).await {
                break end;
            }
            match self.spawn().await {
                Ok(next) => running = next,
                Err(error) => break Outcome::not_started(&error),
            }
        };
        self.queue.instance_ended(end);
    }

    /// Watches one process until it is gone. Returns nothing if it was killed because an invocation took too long: then
    /// another process replaces it.
    async fn watch(&mut self, Running { process, child, logs, .. }: &mut Running) -> Option<Outcome> {
        let status = tokio::select! {
            status = child.wait() => Some(status.map_or_else(|error| error.to_string(), |status| status.to_string())),
            () = process.state.when(|state| state.is_out_of_time.then_some(())) => None,
            () = never_ready(process) => Some("requested no event in time".to_owned()),
            _ = self.killed.wait_for(|killed| *killed) => Some("killed".to_owned()),
        };
        process.state.change(|state| state.has_ended = true);
        // It fails only if the process has ended already.
        let _ = child.kill().await;
        let lines = process.end_of_lines().await;
        let end = Outcome::Crashed { status: status?, logs: logs.lines().join("\n") };
        let current = process.state.lock().current.take();
        if let Some(current) = current {
            let _ = current.reply.send((end.clone(), lines));
        }
        Some(end)
    }

    async fn spawn(&self) -> Result<Running> {
        let (listener, path) = listen_with_secret_path().await?;
        // On Lambda there is neither a scheme nor a path, but the runtime accepts a URL, too; `cargo lambda` uses one.
        let mut command = self.command(&format!("http://{}{path}", listener.local_addr()?));
        let (mut tasks, logs) = (JoinSet::new(), self.options.logs());
        let written = match self.options.output {
            Output::Full => {
                let full = || File::options().write(true).open("/dev/full").context("there is no /dev/full");
                command.stdout(full()?).stderr(full()?);
                None
            }
            Output::Closed => {
                let (_reader, writer) = std::io::pipe()?;
                command.stdout(writer.try_clone()?).stderr(writer);
                None
            }
            Output::Logs | Output::Shown(_) => {
                let (written, reader) = Written::new()?;
                command.stdout(written.stdio()?).stderr(written.stdio()?);
                let written = Arc::new(written);
                let both = [Arc::clone(&logs), Arc::clone(&self.logs)];
                tasks.spawn(Arc::clone(&written).read(reader, both, self.options.shows()));
                Some(written)
            }
        };
        let child = command.spawn();
        let child = child.with_context(|| format!("{} does not run", self.options.binary.display()))?;
        let process = Arc::new(Process {
            function: self.options.name.clone(),
            timeout: self.options.timeout,
            queue: Arc::clone(&self.queue),
            state: Observed::default(),
            written,
        });
        let router = Router::new().nest(&path, api::router(Arc::clone(&process)));
        tasks.spawn(async move {
            // It never returns.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Running { process, child, logs, _tasks: tasks })
    }

    fn command(&self, runtime_api: &str) -> Command {
        let FunctionOptions { name, binary, environment, memory_megabytes, .. } = &self.options;
        let lambda = [
            ("AWS_LAMBDA_FUNCTION_NAME", name.as_str()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory_megabytes.to_string()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", &format!("2026/01/01/[$LATEST]{:032x}", self.number)),
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_SESSION_TOKEN", "local"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
            ("TZ", ":UTC"),
            ("_HANDLER", "bootstrap"),
        ];
        let mut command = Command::new(binary);
        command.env_clear().envs(lambda).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Returns when the process has not initialized in time, which is never for most processes.
async fn never_ready(process: &Process) {
    tokio::time::sleep(INITIALIZATION_LIMIT).await;
    if process.state.lock().is_ready {
        std::future::pending::<()>().await;
    }
}
