//! The functions that `cargo lambda watch` builds, and invocations that report why a function is not served instead of
//! waiting for it.
//!
//! ```text
//!  cargo lambda watch ── runs, for each function ──▶ launcher, in place of cargo
//!                                                        │ lives until a file changes
//!                                                        ▼
//!  invoke ──▶ state ◀── reports ────────────────────── runner ── builds, starts ──▶ processes of the function
//! ```
//!
//! Its modules, each of which uses only those before it: `failure`, `state`, `launchers`.

mod failure;
mod launchers;
mod state;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::{TcpStream, UnixListener},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    loopback,
    observed::Observed,
    runtime_api::Outcome,
    template::Template,
    watch::{
        launcher::{CARGO_VARIABLE, SOCKET_VARIABLE},
        triggers::Invoke,
    },
};
pub use failure::{Failure, Reason};
use launchers::Runner;
use state::State;

/// How long a request waits for a function that is being built. Failures are therefore reported within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a request waits while all processes are busy: as long as API Gateway waits for a function.
const LONGEST_WAIT: Duration = Duration::from_secs(29);

/// How long all functions may take to start; they are built by then.
const FIRST_START: Duration = Duration::from_mins(2);

/// How long `cargo lambda watch` may take to listen.
const LISTENING: Duration = Duration::from_secs(30);

/// The functions of a template.
pub struct Functions {
    state: Arc<Observed<State>>,
    cargo: PathBuf,
    watch_address: SocketAddr,
    folder: TempDir,
}

impl Functions {
    /// Prepares the functions of a template in the workspace `root`, each with at most this number of processes and with
    /// the variables of the file `environment`. Serves the launchers as long as `tasks` lives.
    #[expect(clippy::disallowed_methods, reason = "cargo says which cargo it is by a variable")]
    pub async fn new(
        template: &Template,
        root: PathBuf,
        processes: usize,
        environment: PathBuf,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>> {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let folder = tempfile::Builder::new().prefix("movie-bag-").tempdir()?;
        let launchers = UnixListener::bind(folder.path().join("launchers"))?;
        let definitions = template.functions().to_vec();
        let names = definitions.iter().map(|function| function.operation.clone());
        let state = Arc::new(Observed::new(State::new(names)));
        let runner = Runner {
            state: Arc::clone(&state),
            cargo: cargo.clone(),
            root,
            environment,
            processes,
            definitions,
        };
        tasks.spawn(Arc::new(runner).serve(launchers));
        Ok(Arc::new(Self { state, cargo, watch_address: loopback::hidden_address().await?, folder }))
    }

    /// Returns the address on which `cargo lambda watch` has to listen.
    pub fn watch_address(&self) -> SocketAddr {
        self.watch_address
    }

    /// Returns the variables that make `cargo lambda watch` use launchers.
    pub fn launcher_variables(&self) -> Result<[(&'static str, PathBuf); 3]> {
        let this = std::env::current_exe().context("this program does not know its own path")?;
        let socket = self.folder.path().join("launchers");
        Ok([("CARGO", this), (CARGO_VARIABLE, self.cargo.clone()), (SOCKET_VARIABLE, socket)])
    }

    /// Has every function built and started, and waits until each has a process that is ready for an event.
    pub async fn start(&self) -> Result<()> {
        let mut requests = JoinSet::new();
        for function in self.state.lock().names() {
            requests.spawn(request_start(self.watch_address, function));
        }
        let refused = async {
            match requests.join_next().await {
                Some(refused) => refused?,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            started = self.state.when(|state| state.started()) => Ok(started?),
            refused = refused => refused,
            () = sleep(FIRST_START) => {
                bail!("the functions have not started in {} seconds", FIRST_START.as_secs())
            }
        }
    }

    /// Hands an event to a function and returns its response. A failure to build or start is known within two seconds.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Failure> {
        let response = self.response(function, event).await;
        response.map_err(|reason| Failure { function: function.to_owned(), reason })
    }

    async fn response(&self, function: &str, event: &Value) -> Result<Value, Reason> {
        let served = self.state.when(|state| state.served(function));
        let running = timeout(PATIENCE, served).await.unwrap_or(Err(Reason::Rebuilding))?;
        let outcome = timeout(LONGEST_WAIT + running.timeout(), running.invoke(event)).await;
        match outcome.map_err(|_| Reason::NotTaken)? {
            Outcome::Response(response) => Ok(response),
            Outcome::Error { error_type, message } => Err(Reason::Error(format!("{error_type}: {message}"))),
            Outcome::TimedOut => Err(Reason::TimedOut),
            Outcome::Crashed { status, logs } => {
                let now = self.state.lock().served(function);
                let is_running = now.is_some_and(|now| now.is_ok_and(|now| Arc::ptr_eq(&now, &running)));
                Err(if is_running { Reason::Ended { status, last_output: logs } } else { Reason::Stopped })
            }
        }
    }
}

/// Triggers wait until their function is served: that its code is being changed is not a failure of the function.
impl Invoke for Functions {
    async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        self.state.when(|state| state.served(function)?.ok()).await;
        Ok(Functions::invoke(self, function, event).await?)
    }
}

/// Has `cargo lambda watch` run the launcher of a function, through an event that no process ever fetches from it. The
/// request ends only if it is refused.
async fn request_start(address: SocketAddr, function: String) -> Result<()> {
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let listens = timeout(LISTENING, listening).await;
    ensure!(listens.is_ok(), "cargo lambda watch does not listen on {address}");
    let url = format!("http://{address}/2015-03-31/functions/{function}/invocations");
    let request = Request::post(url).header("content-type", "application/json").body("null".into())?;
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    bail!("cargo lambda watch does not start {function} ({status}): {}", String::from_utf8_lossy(&body))
}
