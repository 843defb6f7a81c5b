//! `cargo local`: the whole system on this machine, until Ctrl-C. Its modules, each of which uses only those before it:
//! `build`, `launcher`, `output`, `triggers`, `functions`.

mod build;
mod functions;
mod launcher;
mod output;
mod triggers;

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::Command,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    cargo_lambda,
    database::{EmbeddedDatabase, Storage},
    environment,
    gateway::{self, Gateway, HttpResponse},
    processes::Program,
    template::Template,
};
use build::PACKAGE;
use functions::{Functions, Reason};
pub use launcher::run_as_cargo;
use output::print;

/// Runs the movie bag on this machine: an embedded DynamoDB with the tables of template.yaml, its routes and CORS, and
/// the functions, which are rebuilt when their code changes.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo local", bin_name = "cargo local", verbatim_doc_comment)]
pub struct Options {
    /// Serve only the database with its tables, for a `cargo lambda watch --env-file .env` of your own
    #[arg(long)]
    pub database_only: bool,
    /// Build the functions with optimisation
    #[arg(long)]
    pub release: bool,
    /// The port of the HTTP API
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// The port of the database
    #[arg(long, default_value_t = 8000)]
    pub database_port: u16,
    /// Keep the data in memory instead of .local/
    #[arg(long)]
    pub in_memory: bool,
    /// The file of the functions' environment variables, in the folder of the workspace unless absolute
    #[arg(long, default_value = ".env")]
    pub env_file: PathBuf,
    /// How many requests each function serves at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub concurrency: u8,
}

/// Serves until Ctrl-C, which is a success, or until something fails. Everything that it has started has ended when it
/// returns.
pub async fn run(options: Options) -> Result<()> {
    let mut running = Running::default();
    let result = tokio::select! {
        result = serve(&options, &mut running) => result,
        result = shutdown_signal() => result,
    };
    running.stop().await;
    result
}

/// What has to be stopped in the end.
#[derive(Default)]
struct Running {
    program: Option<Program>,
    database: Option<EmbeddedDatabase>,
}

impl Running {
    async fn stop(self) {
        if let Some(program) = self.program {
            program.stop().await;
        }
        if let Some(database) = self.database {
            database.stop().await;
        }
    }
}

async fn shutdown_signal() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

async fn serve(options: &Options, running: &mut Running) -> Result<()> {
    let root = root()?;
    let template = Template::load(root.join("template.yaml"))?;
    if !options.database_only {
        // A taken port is reported before everything is built. Nothing listens until requests can be served.
        listener(options.port).await?;
    }
    let storage = if options.in_memory { Storage::Memory } else { Storage::Directory(root.join(".local")) };
    let database =
        EmbeddedDatabase::start(storage, options.database_port).await.map_err(|error| match options {
            Options { database_port: 0, .. } => error,
            _ => error.context("the database does not start (--database-port chooses another port)"),
        })?;
    let endpoint = database.endpoint();
    let database = running.database.insert(database);
    database.create_tables(template.tables())?;
    let env_file = root.join(&options.env_file);
    environment::refresh(&env_file, &template, &endpoint)?;
    let data = if options.in_memory { "in memory" } else { "in .local/" };
    if options.database_only {
        print(format!(
            "The database is ready at {endpoint} (data {data}; Ctrl-C stops it). To run the functions:"
        ));
        let env_file = options.env_file.display();
        print(format!(
            "  cargo lambda watch --package {PACKAGE} --invoke-address 127.0.0.1 --disable-cors --env-file {env_file}"
        ));
        if let Some(line) = triggers::idle_message(&template) {
            print(line);
        }
        return std::future::pending().await;
    }

    let cargo_lambda = cargo_lambda::locate(&root, |line| print(line)).await?;
    build::functions(&root, options.release, &mut running.program).await?;
    let mut tasks = JoinSet::new();
    let functions =
        Functions::new(&template, root.clone(), options.concurrency.into(), env_file, &mut tasks).await?;
    let mut watch = Program::start(watch_command(&cargo_lambda, &root, options, &functions)?)?;
    let output = output::show(&mut watch);
    let watch = running.program.insert(watch);
    tokio::select! {
        started = functions.start() => started?,
        status = watch.child.wait() => bail!("cargo lambda watch has ended ({})", status?),
    }
    let listener = listener(options.port).await?;
    let address = format!("http://127.0.0.1:{}", options.port);
    print(format!("The movie bag is ready at {address} (data {data}; Ctrl-C stops it). To begin, sign up:"));
    print(format!(
        "  curl -i {address}/api/auth/signup -H 'content-type: application/json' \
         -d '{{\"email\": \"ada@example.com\", \"password\": \"correct horse battery\"}}'"
    ));
    let triggers = triggers::run(&template, database, &functions)?;
    let invoke = move |function: String, event: Value| {
        let functions = Arc::clone(&functions);
        async move {
            match functions.invoke(&function, &event).await {
                Ok(response) => HttpResponse::from_answer(&response),
                Err(failure) => {
                    if let Reason::Error(_) | Reason::Ended { .. } = failure.reason {
                        print(&failure);
                    }
                    failure.response(&event)
                }
            }
        }
    };
    let status = tokio::select! {
        served = gateway::serve(listener, Gateway::new(&template), invoke) => return served,
        status = watch.child.wait() => status?,
    };
    drop((output, triggers, tasks));
    bail!("cargo lambda watch has ended ({status})")
}

async fn listener(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.with_context(|| {
        format!("the API cannot listen on 127.0.0.1:{port}; choose another port with --port")
    })
}

fn watch_command(
    cargo_lambda: &Path,
    root: &Path,
    options: &Options,
    functions: &Functions,
) -> Result<Command> {
    let address = functions.watch_address();
    let mut command = build::command(cargo_lambda, root);
    command.args(["lambda", "watch", "--package", PACKAGE]);
    command.args([
        "--invoke-address",
        &address.ip().to_string(),
        "--invoke-port",
        &address.port().to_string(),
    ]);
    // It serves no events: it only runs a launcher for each function.
    command.arg("--disable-cors");
    if options.release {
        command.arg("--release");
    }
    if output::is_coloured() {
        command.args(["--color", "always"]);
    }
    command.envs(functions.launcher_variables()?).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// The folder of the workspace: the nearest one, from here upwards, that holds the template.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("there is no current folder")?;
    let found = here.ancestors().find(|folder| folder.join("template.yaml").is_file());
    Ok(found
        .with_context(|| format!("there is no template.yaml in {} or above it", here.display()))?
        .to_owned())
}
