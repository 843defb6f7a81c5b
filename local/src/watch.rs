//! `cargo local`: the whole system on this machine, until Ctrl-C. Its modules, each of which uses only those before it:
//! `output`, `mails`, `build`, `changes`, `triggers`, `functions`.

mod build;
mod changes;
mod functions;
mod mails;
mod output;
mod triggers;

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    database::{EmbeddedDatabase, Storage},
    environment,
    gateway::{self, Gateway, HttpResponse},
    mail_service::MailService,
    template::Template,
};
use build::PACKAGE;
use functions::{Functions, Reason, Settings};
use output::print;

/// Runs the movie bag on this machine: an embedded DynamoDB with the tables of template.yaml, its routes and CORS, and
/// the functions, which are rebuilt when their code changes. Mails are not sent, but printed and kept as
/// .local/mail/*.eml.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo local", bin_name = "cargo local", verbatim_doc_comment)]
pub struct Options {
    /// Serve only the database with its tables, for a `cargo lambda watch --env-file .env` of your own
    #[arg(long)]
    pub database_only: bool,
    /// Build the functions with optimization
    #[arg(long)]
    pub release: bool,
    /// The port of the HTTP API
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// The port of the database
    #[arg(long, default_value_t = 8000)]
    pub database_port: u16,
    /// Keep the data in memory instead of .local/, except for mails
    #[arg(long)]
    pub in_memory: bool,
    /// The file of the functions' environment variables, in the folder of the workspace unless absolute
    #[arg(long, default_value = ".env")]
    pub env_file: PathBuf,
    /// How many requests each function serves at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub concurrency: u8,
}

/// Serves until Ctrl-C, which is a success, or until something fails. Everything that it has started ends with the runtime.
pub async fn run(options: Options) -> Result<()> {
    let mut database = None;
    let result = tokio::select! {
        result = serve(&options, &mut database) => result,
        result = shutdown_signal() => result,
    };
    if let Some(database) = database {
        database.stop().await;
    }
    result
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

async fn serve(options: &Options, running: &mut Option<EmbeddedDatabase>) -> Result<()> {
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
    let database = running.insert(database);
    database.create_tables(template.tables())?;
    let mails = root.clone();
    let mail_service = MailService::start(move |mail| mails::show(&mails, mail)).await?;
    let env_file = root.join(&options.env_file);
    environment::refresh(&env_file, &template, &endpoint, &mail_service.endpoint())?;
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

    let mut tasks = JoinSet::new();
    let settings = Settings {
        root,
        release: options.release,
        environment: env_file,
        processes: options.concurrency.into(),
    };
    let functions = Functions::start(&template, settings, &mut tasks).await?;
    let listener = listener(options.port).await?;
    let address = format!("http://127.0.0.1:{}", options.port);
    print(format!("The movie bag is ready at {address} (data {data}; Ctrl-C stops it). To begin, sign up:"));
    print(format!(
        "  curl -i {address}/api/auth/signup -H 'content-type: application/json' \
         -d '{{\"email\": \"ada@example.com\", \"password\": \"correct horse battery\"}}'"
    ));
    let _triggers = triggers::run(&template, database, &functions)?;
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
    gateway::serve(listener, Gateway::new(&template), invoke).await
}

async fn listener(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.with_context(|| {
        format!("the API cannot listen on 127.0.0.1:{port}; choose another port with --port")
    })
}

/// The folder of the workspace: the nearest one, from here upwards, that holds the template.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("there is no current folder")?;
    let found = here.ancestors().find(|folder| folder.join("template.yaml").is_file());
    Ok(found
        .with_context(|| format!("there is no template.yaml in {} or above it", here.display()))?
        .to_owned())
}
