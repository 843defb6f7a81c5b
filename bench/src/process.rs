//! One process of a function, started and invoked as Lambda does it, and measured.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use local::{gateway::HttpResponse, template::REGION};
use nix::{time::clock_getcpuclockid, unistd::Pid};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    output::Output,
    quota::Group,
    runtime_api::{self, Call, Kind},
};

/// A process that does nothing for so long never will. On a fourteenth of a core, hashing takes its time.
const PATIENCE: Duration = Duration::from_mins(1);

/// What to start.
pub struct Launch<'a> {
    /// The function's name.
    pub name: &'a str,
    /// The executable.
    pub binary: &'a Path,
    /// Variables in addition to Lambda's own; nothing is inherited.
    pub environment: &'a [(String, String)],
    /// What the function is told that it has.
    pub memory_megabytes: u32,
    /// The control group to run in, if its CPU is limited.
    pub group: Option<&'a Group>,
}

/// A process, until it is dropped.
pub struct Instance {
    name: String,
    child: Child,
    process: u32,
    started: Instant,
    calls: mpsc::UnboundedReceiver<Call>,
    waiting: Option<(Moment, oneshot::Sender<Vec<u8>>)>,
    output: Output,
    /// How many invocations have succeeded.
    succeeded: usize,
    _tasks: JoinSet<()>,
}

/// When something was, on two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time since the process was started.
    pub wall: Duration,
    /// What the process has spent since then, all threads together.
    pub cpu: Duration,
}

/// A successful invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// From the event going out to the answer being in.
    pub wall: Duration,
    /// When the answer was in.
    pub answered: Moment,
    /// The answer.
    pub answer: Value,
}

impl Instance {
    /// Starts a process. Its time runs from here.
    pub async fn start(launch: &Launch<'_>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let mut command = match launch.group {
            None => Command::new(launch.binary),
            Some(group) => group.command(launch.binary),
        };
        command.env_clear().envs(lambda_variables(launch, &address));
        command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let started = Instant::now();
        let mut child =
            command.spawn().with_context(|| format!("{} does not run", launch.binary.display()))?;
        let process = child.id().context("the process has ended already")?;
        let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(process)?))?;
        let (sender, calls) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let name = launch.name.to_owned();
        tasks.spawn(async move { runtime_api::serve(listener, &name, clock, sender).await });
        let output = Output::of(&mut child, &mut tasks);
        let name = launch.name.to_owned();
        Ok(Self { name, child, process, started, calls, waiting: None, output, succeeded: 0, _tasks: tasks })
    }

    /// Waits until the process asks for an event, and tells when that was.
    pub async fn ready(&mut self) -> Result<Moment> {
        if let Some((asked, _)) = self.waiting {
            return Ok(asked);
        }
        let call = self.call().await?;
        let asked = Moment { wall: call.at - self.started, cpu: call.cpu };
        let Kind::Next(event) = call.kind else { bail!(self.failure("it did not ask for an event")) };
        self.waiting = Some((asked, event));
        Ok(asked)
    }

    /// Hands an event over and waits for the answer, which must be a success.
    pub async fn invoke(&mut self, event: &Value) -> Result<Invocation> {
        self.ready().await?;
        let sender = self.waiting.take().map(|(_, sender)| sender);
        if sender.and_then(|sender| sender.send(event.to_string().into_bytes()).ok()).is_none() {
            bail!(self.failure("it does not wait for its event any more"));
        }
        let call = self.call().await?;
        let Kind::Response { handed, body } = call.kind else { bail!(self.failure("it gave no answer")) };
        let answer: Value = serde_json::from_slice(&body).context("an answer is not JSON")?;
        let http = HttpResponse::from_answer(&answer);
        if !(200..300).contains(&http.status) {
            bail!(self.failure(&format!("it answered {} {}", http.status, http.body)));
        }
        self.succeeded += 1;
        let answered = Moment { wall: call.at - self.started, cpu: call.cpu };
        Ok(Invocation { wall: call.at - handed, answered, answer })
    }

    /// The line in which the function told how the last invocation ended and what it cost.
    pub async fn completed(&mut self) -> Result<Value> {
        match timeout(PATIENCE, self.output.completed(self.succeeded)).await {
            Ok(Some(line)) => serde_json::from_slice(&line).context("the line of an invocation is not JSON"),
            _ => Err(self.failure("it did not tell how an invocation ended")),
        }
    }

    /// The most memory that the process had so far, in bytes: `VmHWM` of `proc_pid_status(5)`.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmHWM")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }

    /// Ends the process, so that it does not disturb the next one.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn call(&mut self) -> Result<Call> {
        let problem = tokio::select! {
            biased;
            call = timeout(PATIENCE, self.calls.recv()) => match call {
                Ok(Some(Call { kind: Kind::Error(report), .. })) => String::from_utf8_lossy(&report).into_owned(),
                Ok(Some(call)) => return Ok(call),
                Ok(None) => "its Runtime API has ended".to_owned(),
                Err(_) => format!("it did nothing for {PATIENCE:?}"),
            },
            status = self.child.wait() => format!("it ended with {}", status?),
        };
        Err(self.failure(&problem))
    }

    fn failure(&self, problem: &str) -> anyhow::Error {
        anyhow!("{}: {problem}\nIt wrote:\n{}", self.name, self.output.text())
    }
}

/// The variables that Lambda sets, with credentials that the embedded database takes. Logs are JSON as deployed.
fn lambda_variables(launch: &Launch<'_>, runtime_api: &str) -> Vec<(&'static str, String)> {
    let fixed = [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_LAMBDA_FUNCTION_NAME", launch.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
        ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[1]0123456789abcdef0123456789abcdef"),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_REGION", REGION),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ];
    let memory = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", launch.memory_megabytes.to_string());
    fixed.into_iter().map(|(name, value)| (name, value.to_owned())).chain([memory]).collect()
}
