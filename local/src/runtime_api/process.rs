//! One instance of a function: a process at a time, and the Runtime API that only this process talks to.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{Notify, oneshot, watch},
    task::JoinSet,
};

use super::{
    FunctionOptions, Outcome, Output, api,
    queue::{Logs, Queue},
};
use crate::template::REGION;

/// A process that has not asked for an event after this time never will. Lambda gives ten seconds; a busy machine
/// that starts fifty processes at once needs more.
const INITIALISATION_LIMIT: Duration = Duration::from_mins(1);

/// What the Runtime API's handlers know of the process that calls them.
pub struct Process {
    pub options: FunctionOptions,
    pub queue: Arc<Queue>,
    pub current: Mutex<Option<Current>>,
    pub ready: AtomicBool,
    pub out_of_time: Notify,
    pub ended: watch::Sender<bool>,
    logs: Logs,
}

/// The invocation that a process has in hand.
pub struct Current {
    pub id: String,
    pub reply: oneshot::Sender<Outcome>,
}

impl Process {
    /// Takes the current invocation away if it is the one with this id.
    pub fn take_current(&self, id: &str) -> Option<Current> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current.id == id)
    }

    /// Ends when the process has not become ready in time, which for most is never.
    async fn never_ready(&self) {
        tokio::time::sleep(INITIALISATION_LIMIT).await;
        if self.ready.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

enum End {
    /// The process was killed because an invocation took too long.
    OutOfTime,
    /// The process ended, or was killed, for good.
    Final(Outcome),
}

pub struct Instance {
    options: FunctionOptions,
    number: usize,
    queue: Arc<Queue>,
    logs: Arc<Logs>,
    killed: watch::Receiver<bool>,
    address: SocketAddr,
    process: Arc<Process>,
    child: Child,
    serving: watch::Sender<Arc<Process>>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Instance {
    pub async fn start(
        options: FunctionOptions,
        number: usize,
        queue: Arc<Queue>,
        logs: Arc<Logs>,
        killed: watch::Receiver<bool>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let child = spawn(&options, number, address)?;
        let process = Arc::new(new_process(&options, &queue));
        let (serving, receiver) = watch::channel(Arc::clone(&process));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, api::router(receiver)).await });
        Ok(Self { options, number, queue, logs, killed, address, process, child, serving, _server: server })
    }

    pub async fn run(mut self) {
        loop {
            let end = match self.watch().await {
                End::OutOfTime => match spawn(&self.options, self.number, self.address) {
                    Ok(child) => {
                        self.child = child;
                        self.process = Arc::new(new_process(&self.options, &self.queue));
                        self.serving.send_replace(Arc::clone(&self.process));
                        continue;
                    }
                    Err(error) => Outcome::Crashed { status: format!("{error:#}"), logs: String::new() },
                },
                End::Final(end) => end,
            };
            self.queue.instance_ended(end);
            return;
        }
    }

    /// Watches over one process until it is gone.
    async fn watch(&mut self) -> End {
        let process = Arc::clone(&self.process);
        let mut readers = JoinSet::new();
        if let (Some(output), Some(errors)) = (self.child.stdout.take(), self.child.stderr.take()) {
            readers.spawn(read_lines(output, Arc::clone(&process), Arc::clone(&self.logs)));
            readers.spawn(read_lines(errors, Arc::clone(&process), Arc::clone(&self.logs)));
        }
        let (killed_for, out_of_time) = tokio::select! {
            status = self.child.wait() => (status.map_or_else(|error| error.to_string(), |status| status.to_string()), false),
            () = process.out_of_time.notified() => (String::new(), true),
            () = process.never_ready() => ("asked for no event in time".to_owned(), false),
            _ = self.killed.wait_for(|killed| *killed) => ("killed".to_owned(), false),
        };
        process.ended.send_replace(true);
        // It fails only if the process is gone already.
        let _ = self.child.kill().await;
        // A grandchild may hold the pipes open; what it has to say is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            while readers.join_next().await.is_some() {}
        })
        .await;
        if out_of_time {
            return End::OutOfTime;
        }
        let end = Outcome::Crashed { status: killed_for, logs: process.logs.lines().join("\n") };
        let current = process.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(current) = current {
            let _ = current.reply.send(end.clone());
        }
        End::Final(end)
    }
}

fn new_process(options: &FunctionOptions, queue: &Arc<Queue>) -> Process {
    Process {
        options: options.clone(),
        queue: Arc::clone(queue),
        current: Mutex::new(None),
        ready: AtomicBool::new(false),
        out_of_time: Notify::new(),
        ended: watch::channel(false).0,
        logs: Logs::default(),
    }
}

fn spawn(options: &FunctionOptions, number: usize, address: SocketAddr) -> Result<Child> {
    let name = options.name.as_str();
    let memory = options.memory_megabytes.to_string();
    let lambda = [
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &format!("2026/01/01/[$LATEST]{number:032x}")),
        ("AWS_LAMBDA_RUNTIME_API", &address.to_string()),
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
    let (output, errors) = (stream(options.output)?, stream(options.output)?);
    Command::new(&options.binary)
        .env_clear()
        .envs(lambda)
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} does not run", options.binary.display()))
}

fn stream(output: Output) -> Result<Stdio> {
    Ok(match output {
        Output::Logs => Stdio::piped(),
        Output::Full => {
            File::options().write(true).open("/dev/full").context("there is no /dev/full")?.into()
        }
        Output::Closed => {
            let (_reader, writer) = std::io::pipe()?;
            writer.into()
        }
    })
}

async fn read_lines(stream: impl AsyncRead + Unpin, process: Arc<Process>, logs: Arc<Logs>) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
        process.logs.add(line.clone());
        logs.add(line);
    }
}
