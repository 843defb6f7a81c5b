//! A running `cargo local`, and requests to it.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
};

/// How long a slow machine may take until everything is built and ready.
const READY: Duration = Duration::from_mins(30);

/// How long to wait for anything else.
const PATIENCE: Duration = Duration::from_mins(2);

/// A variable by which the descendants of a `cargo local` are found.
const MARKER: &str = "MOVIE_BAG_TEST_SITE";

/// A `cargo local` that serves.
pub struct Site {
    pub address: String,
    client: Client<HttpConnector, Full<Bytes>>,
    child: Child,
    port: u16,
    workspace: PathBuf,
    environment: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

/// A response that has been read.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Site {
    /// Starts `cargo local` in a workspace, with its build in `target` if that is given and its data in memory, and
    /// waits until it is ready.
    pub async fn start(workspace: &Path, target: Option<&Path>) -> Self {
        Self::start_with(&["--in-memory"], workspace, target).await
    }

    /// Starts `cargo local` with options.
    pub async fn start_with(options: &[&str], workspace: &Path, target: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = folder.path().join("environment");
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command.args(options).args(["--database-port", "0", "--port"]).arg(port.to_string());
        command.arg("--env-file").arg(&environment).current_dir(workspace).env(MARKER, &environment);
        if let Some(target) = target {
            command.env("CARGO_TARGET_DIR", target);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("cargo local starts");
        let log = Arc::default();
        read(child.stdout.take().expect("output"), &log);
        read(child.stderr.take().expect("errors"), &log);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let address = format!("http://127.0.0.1:{port}");
        let workspace = workspace.to_owned();
        let mut site = Self { address, client, child, port, workspace, environment, log, _folder: folder };
        let ended = tokio::select! {
            () = logged(Arc::clone(&site.log), "is ready at", READY) => return site,
            ended = site.child.wait() => ended.expect("a status"),
        };
        panic!("cargo local ended before it was ready ({ended}): {:#?}", site.log());
    }

    /// Stops it as Ctrl-C does, and checks that nothing is left.
    pub async fn stop(mut self) {
        self.interrupt();
        assert!(self.child.wait().await.expect("an end").success(), "Ctrl-C is not a failure");
        let ended = async {
            while self.descendant().is_some() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert!(ended.is_ok(), "Ctrl-C ends everything that it started, also {:?}", self.descendant());
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_ok(), "nothing listens any more");
        for mail in self.log().iter().filter(|line| is_file_of_mail(line)) {
            std::fs::remove_file(self.workspace.join(mail.trim())).expect("a kept mail");
        }
    }

    /// Returns the command of a process that `cargo local` has started, directly or not. All inherit a variable.
    fn descendant(&self) -> Option<String> {
        let marker = format!("{MARKER}={}", self.environment.display());
        let processes = if cfg!(target_os = "macos") { listed_processes() } else { processes_in_proc() };
        processes.into_iter().find(|process| process.contains(&marker))
    }

    fn interrupt(&self) {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        }
    }

    /// Returns the lines that it has written so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("the lines").clone()
    }

    /// Waits until a line of the log has this text. Returns the last one.
    pub async fn until_logged(&self, text: &str) -> String {
        logged(Arc::clone(&self.log), text, PATIENCE).await;
        self.log().into_iter().rfind(|line| line.contains(text)).expect("it is logged")
    }

    /// Waits for the last line that has this text. Returns the lines of the function beneath it.
    pub async fn beneath(&self, text: &str) -> Vec<String> {
        self.until_logged(text).await;
        // The line of the next request shows that these are all.
        let marker = format!("/end-of-{}", self.log().len());
        self.request("GET", &marker, &[], Bytes::new()).await;
        self.until_logged(&marker).await;
        let log = self.log();
        let entry = log.iter().rposition(|line| line.contains(text)).expect("it is logged");
        let beneath = log[entry + 1..].iter().map_while(|line| line.strip_prefix("         "));
        beneath.map(str::to_owned).collect()
    }

    /// Waits for the first mail to a recipient. Returns what is shown of it, line by line, and the text of its file.
    pub async fn mail_to(&self, recipient: &str) -> (Vec<String>, String) {
        let start = format!("Mail to {recipient}: ");
        let mail = async {
            loop {
                let log = self.log();
                let lines = log.iter().skip_while(|line| !line.starts_with(&start)).cloned();
                let mut shown: Vec<String> = lines.collect();
                if let Some(end) = shown.iter().position(|line| is_file_of_mail(line)) {
                    let file = self.workspace.join(shown[end].trim());
                    shown.truncate(end);
                    return (shown, std::fs::read_to_string(file).expect("a kept mail"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let mail = tokio::time::timeout(PATIENCE, mail).await;
        mail.unwrap_or_else(|_| panic!("no mail to {recipient}: {:#?}", self.log()))
    }

    /// Returns the port of the API.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the environment file.
    pub fn environment(&self) -> &Path {
        &self.environment
    }

    /// Returns the address of the database.
    pub fn database(&self) -> String {
        self.variable("AWS_ENDPOINT_URL_DYNAMODB")
    }

    /// Returns the address of the mail service.
    pub fn mail_service(&self) -> String {
        self.variable("AWS_ENDPOINT_URL_SESV2")
    }

    /// Returns an environment variable of the functions.
    fn variable(&self, name: &str) -> String {
        let variables = std::fs::read_to_string(&self.environment).expect("the environment file");
        let mut variables = variables.lines().filter_map(|line| line.split_once('='));
        let (_, value) = variables.find(|(found, _)| *found == name).expect("the variable");
        value.to_owned()
    }

    /// Signs a user up. Returns the account and the response.
    pub async fn sign_up(&self, email: &str) -> (Value, Value) {
        let account = json!({"email": email, "password": "a bag full of old movies"});
        let (status, signed_up) = self.send("POST", "/api/auth/signup", None, &account).await;
        assert_eq!(status, StatusCode::OK, "signup: {signed_up}");
        (account, signed_up)
    }

    /// Returns the token of a new session.
    pub async fn log_in(&self, account: &Value) -> String {
        let (status, session) = self.send("POST", "/api/auth/login", None, account).await;
        assert_eq!(status, StatusCode::OK, "login: {session}");
        session["token"].as_str().expect("a token").to_owned()
    }

    /// Asserts that a token has ended.
    pub async fn refuses(&self, token: &str) {
        let (status, _) = self.send("GET", "/api/auth/account", Some(token), &Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "a token that has ended");
    }

    /// Repeats a request until the response has this status.
    pub async fn until(&self, method: &str, path: &str, body: &Value, expected: StatusCode) {
        let repeated = async {
            while self.send(method, path, None, body).await.0 != expected {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let repeated = tokio::time::timeout(PATIENCE, repeated).await;
        repeated.unwrap_or_else(|_| panic!("{method} {path} does not become {expected}"));
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> (StatusCode, Value) {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.request(method, path, &headers, body.into()).await;
        (response.status, response.json())
    }

    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Response {
        self.request_to(&self.address, method, path, headers, body).await
    }

    pub async fn request_to(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(format!("{address}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(body.into()).expect("a request")).await;
        let (head, body) = response.expect("a response").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Response { status: head.status, headers: head.headers, body }
    }
}

/// Interrupts `cargo local` if a test fails: killed, it could not end the programs that it has started.
impl Drop for Site {
    fn drop(&mut self) {
        self.interrupt();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Returns the CORS headers, sorted.
    pub fn cors(&self) -> Vec<(&str, &str)> {
        let names = self.headers.keys().map(hyper::header::HeaderName::as_str);
        let names = names.filter(|name| name.starts_with("access-control-"));
        let mut found: Vec<_> = names.map(|name| (name, self.header(name).expect("it is there"))).collect();
        found.sort_unstable();
        found
    }
}

/// Returns the command and the variables of each process of this user.
fn processes_in_proc() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("the processes");
    let described = processes.filter_map(|process| {
        let folder = process.ok()?.path();
        let [command, variables] = ["cmdline", "environ"].map(|file| std::fs::read(folder.join(file)));
        let text = [command.ok()?, variables.ok()?].concat();
        Some(String::from_utf8_lossy(&text).replace('\0', " "))
    });
    described.collect()
}

/// Returns the same on macOS, which has no `/proc`.
fn listed_processes() -> Vec<String> {
    let list =
        std::process::Command::new("ps").args(["-axEww", "-o", "command="]).output().expect("the processes");
    String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect()
}

/// Returns whether a line of the log names the file of a mail.
fn is_file_of_mail(line: &str) -> bool {
    line.starts_with("  .local/mail/")
}

fn read(stream: impl AsyncRead + Unpin + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = Arc::clone(log);
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream).lines();
        while let Ok(Some(line)) = stream.next_line().await {
            log.lock().expect("the lines").push(line);
        }
    });
}

/// Waits until a line of a log has this text.
async fn logged(log: Arc<Mutex<Vec<String>>>, text: &str, patience: Duration) {
    let lines = || log.lock().expect("the lines").clone();
    let found = async {
        while !lines().iter().any(|line| line.contains(text)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(patience, found).await;
    found.unwrap_or_else(|_| panic!("no line has {text:?}: {:#?}", lines()));
}

/// Returns a free port below those that the system gives to connections: none takes it while the functions are built.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed));
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}
