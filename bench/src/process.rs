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
    runtime_api::{self, Kind, RuntimeCall},
};

/// A process that is silent for this long has failed. Hashing on a fourteenth of a core takes seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process, which ends when it is dropped.
pub struct Instance {
    name: String,
    child: Child,
    process: u32,
    started: Instant,
    calls: mpsc::UnboundedReceiver<RuntimeCall>,
    /// Since when the process has waited for an event, and where to send one.
    waiting: Option<(Moment, oneshot::Sender<Vec<u8>>)>,
    output: Output,
    _tasks: JoinSet<()>,
}

/// A moment on two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time since the process was started.
    pub wall: Duration,
    /// The CPU time of the process since then, all threads together.
    pub cpu: Duration,
}

/// A successful invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The time from sending the event to receiving the response.
    pub wall: Duration,
    /// When the response had come in.
    pub responded: Moment,
    /// The response.
    pub response: Value,
}

impl Instance {
    /// Starts a process of the function `name` with Lambda's variables and these, and with none that are inherited. The
    /// function is told a memory size, which limits nothing. The process's time runs from here.
    pub async fn start(
        name: &str,
        binary: &Path,
        environment: &[(String, String)],
        memory_megabytes: u32,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let mut command = Command::new(binary);
        command.env_clear().envs(lambda_variables(name, &address));
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_megabytes.to_string());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("{} does not run", binary.display()))?;
        let process = child.id().context("the process has ended already")?;
        let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(process)?))?;
        let (sender, calls) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(runtime_api::serve(listener, clock, sender));
        let output = Output::of(&mut child, &mut tasks);
        let name = name.to_owned();
        Ok(Self { name, child, process, started, calls, waiting: None, output, _tasks: tasks })
    }

    /// Waits until the process asks for an event, and returns when that was.
    pub async fn ready(&mut self) -> Result<Moment> {
        if let Some((asked, _)) = self.waiting {
            return Ok(asked);
        }
        let call = self.call().await?;
        let asked = self.moment(&call);
        let Kind::Next(event) = call.kind else { bail!(self.failure("it did not ask for an event")) };
        self.waiting = Some((asked, event));
        Ok(asked)
    }

    /// Limits the process from now on to the share of a core of this group.
    pub fn limit(&self, group: &Group) -> Result<()> {
        group.add(self.process)
    }

    /// Sends an event and waits for the response, which must be a success.
    pub async fn invoke(&mut self, event: &Value) -> Result<Invocation> {
        self.ready().await?;
        let sender = self.waiting.take().map(|(_, sender)| sender);
        if sender.and_then(|sender| sender.send(event.to_string().into_bytes()).ok()).is_none() {
            bail!(self.failure("it does not wait for its event any more"));
        }
        let call = self.call().await?;
        let responded = self.moment(&call);
        let Kind::Response { sent, body } = call.kind else { bail!(self.failure("it did not respond")) };
        let response: Value = serde_json::from_slice(&body).context("a response is not JSON")?;
        let http = HttpResponse::from_answer(&response);
        if !(200..300).contains(&http.status) {
            bail!(self.failure(&format!("it responded {} {}", http.status, http.body)));
        }
        Ok(Invocation { wall: call.at - sent, responded, response })
    }

    /// Returns the next completion line, which has the cost of an invocation. Each invocation of a function writes one.
    pub async fn completed(&mut self) -> Result<Value> {
        match timeout(PATIENCE, self.output.completed.recv()).await {
            Ok(Some(line)) => serde_json::from_slice(&line).context("a completion line is not JSON"),
            _ => Err(self.failure("it wrote no completion line")),
        }
    }

    /// Returns the peak memory of the process so far, in bytes: `VmHWM` of `proc_pid_status(5)`.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmHWM")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }

    /// Kills the process and waits for its end, so that it does not disturb the next one.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    fn moment(&self, call: &RuntimeCall) -> Moment {
        Moment { wall: call.at - self.started, cpu: call.cpu }
    }

    async fn call(&mut self) -> Result<RuntimeCall> {
        let problem = tokio::select! {
            biased;
            call = timeout(PATIENCE, self.calls.recv()) => match call {
                Ok(Some(RuntimeCall { kind: Kind::Error(report), .. })) => String::from_utf8_lossy(&report).into_owned(),
                Ok(Some(call)) => return Ok(call),
                Ok(None) => "its Runtime API has ended".to_owned(),
                Err(_) => format!("it was silent for {PATIENCE:?}"),
            },
            status = self.child.wait() => format!("it ended with {}", status?),
        };
        Err(self.failure(&problem))
    }

    fn failure(&self, problem: &str) -> anyhow::Error {
        anyhow!("{}: {problem}\nIts output:\n{}", self.name, self.output.text())
    }
}

/// Returns the variables that Lambda sets, with credentials that the embedded database accepts. Logs are JSON as in a
/// deployment.
fn lambda_variables<'a>(name: &'a str, runtime_api: &'a str) -> [(&'static str, &'a str); 19] {
    [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
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
    ]
}
