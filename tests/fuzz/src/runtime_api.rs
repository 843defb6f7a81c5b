//! A Lambda Runtime API in the process of a fuzz target, so that the code that handles whole events can be fuzzed through
//! its only entries, `http::serve` and `runtime::serve_stream`.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    panic,
    process::{self, Command},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

/// The variable with the address of the Runtime API, which the crate `lambda_runtime` reads.
const ADDRESS: &str = "AWS_LAMBDA_RUNTIME_API";
/// The variable with the id of the process that serves this address.
const SERVER: &str = "FUZZ_RUNTIME_API_PROCESS";

/// The name of the thread that runs the function.
const FUNCTION: &str = "function";

/// How long an event may take. Nothing that a target runs waits for anything.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Replaces this process with one that has the environment of a function, unless it has that environment. The environment of
/// a process cannot be changed safely once it runs.
#[expect(clippy::missing_panics_doc, reason = "the target cannot run then")]
pub fn ensure_function_environment() {
    let id = process::id().to_string();
    if env::var(SERVER).as_deref() == Ok(&id) {
        return;
    }
    // Closes the listener, so that the new process, which has the same id, can bind the port.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let error = Command::new(env::current_exe().expect("the program"))
        .args(env::args_os().skip(1))
        .env(ADDRESS, address.expect("a port").to_string())
        .env(SERVER, id)
        .env("AWS_LAMBDA_FUNCTION_NAME", "fuzz")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .exec();
    panic!("the process cannot be replaced: {error}");
}

/// How an invocation ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function responded with this text.
    Response(Vec<u8>),
    /// The function reported an error with this text, which for an HTTP API becomes a 500.
    Error(Vec<u8>),
}

/// A Runtime API with one function that runs in the same process.
pub struct RuntimeApi {
    events: Sender<Vec<u8>>,
    outcomes: Receiver<Outcome>,
}

impl RuntimeApi {
    /// Starts a function: a call of `serve` handles events until the process ends.
    #[expect(clippy::missing_panics_doc, reason = "the target cannot run then")]
    pub fn start<Serving: Future>(serve: impl FnOnce() -> Serving + Send + 'static) -> Self {
        let address = env::var(ADDRESS).expect("an address: the target calls ensure_function_environment");
        let listener = TcpListener::bind(address).expect("the port is free");
        let (events, queue) = mpsc::channel();
        let (finished, outcomes) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (queue, finished) = (Arc::clone(&queue), finished.clone());
                // Ends when the client closes the connection.
                thread::spawn(move || answer(&connection, &queue, &finished));
            }
        });
        // libFuzzer's hook ends the process. The runtime catches a panic of the function, and the outcome shows it.
        let end_process = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(FUNCTION) {
                end_process(panic);
            }
        }));
        let function = thread::Builder::new().name(FUNCTION.to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve());
        });
        function.expect("a thread");
        Self { events, outcomes }
    }

    /// Hands an event to the function, and waits for the outcome.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a function that never responds is a finding")]
    pub fn invoke(&self, event: &[u8]) -> Outcome {
        self.events.send(event.to_vec()).expect("the server runs");
        let outcome = self.outcomes.recv_timeout(TIMEOUT).expect("the function responds in time");
        if let Outcome::Error(error) = &outcome {
            // The runtime catches a panic and reports it with this text.
            let error = String::from_utf8_lossy(error);
            assert!(!error.contains("Lambda panicked"), "{error}");
        }
        outcome
    }
}

/// Answers the requests of one connection.
fn answer(
    connection: &TcpStream,
    queue: &Mutex<Receiver<Vec<u8>>>,
    finished: &Sender<Outcome>,
) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    loop {
        let (path, body) = request(&mut reader)?;
        let response = match path.rsplit('/').next() {
            Some("next") => {
                let event =
                    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().map_err(io::Error::other)?;
                // The deadline is in the year 2100.
                let head = format!(
                    "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: fuzz\r\n\
                     lambda-runtime-deadline-ms: 4102444800000\r\ncontent-length: {}\r\n\r\n",
                    event.len()
                );
                [head.as_bytes(), &event].concat()
            }
            end => {
                let outcome =
                    if end == Some("response") { Outcome::Response(body) } else { Outcome::Error(body) };
                finished.send(outcome).map_err(io::Error::other)?;
                b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_vec()
            }
        };
        writer.write_all(&response)?;
    }
}

/// Reads one request, and returns its path and its body.
fn request(reader: &mut impl BufRead) -> io::Result<(String, Vec<u8>)> {
    let mut line = || {
        let mut line = String::new();
        let bytes = reader.read_line(&mut line)?;
        if bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok::<_, io::Error>(line) }
    };
    let path = line()?.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let line = line()?.to_ascii_lowercase();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_owned(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((path, body))
}
