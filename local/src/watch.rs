//! `cargo local`: the whole system on this machine, until Ctrl-C. Its modules, each of which uses only those before it:
//! `progress`, `output`, `claims`, `log`, `mails`, `sample`, `build`, `manual`, `changes`, `triggers`, `functions`.

mod build;
mod changes;
mod claims;
mod functions;
mod log;
mod mails;
mod manual;
mod output;
mod progress;
mod sample;
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
    gateway::{self, Exchange, Gateway, HttpResponse, Responder},
    mail_service::MailService,
    template::Template,
};
use claims::Claims;
use functions::{Functions, Settings};
use log::{Entry, FunctionLine, Status};
use output::print;

/// Runs the movie bag on this machine: an embedded DynamoDB with the tables of template.yaml, its routes and CORS, and
/// the functions, which are rebuilt when their code changes. Mails are not sent, but printed and kept as
/// .local/mail/*.eml.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "cargo local", bin_name = "cargo local", verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Options {
    /// Serve only the database with its tables, and print how to run the functions with `cargo lambda watch`
    #[arg(long)]
    pub database_only: bool,
    /// Build the functions with optimization
    #[arg(long)]
    pub release: bool,
    /// The port of the HTTP API, also of the printed `cargo lambda watch`
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// The port of the database
    #[arg(long, default_value_t = 8000)]
    pub database_port: u16,
    /// Keep the data in memory instead of .local/, except for mails
    #[arg(long)]
    pub in_memory: bool,
    /// Add a hundred well-known movies of two sample users to an empty bag, and print how to look at them
    #[arg(long, conflicts_with = "database_only")]
    pub sample: bool,
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
    let storage = if options.in_memory { Storage::Memory } else { Storage::Directory(root.join(".local")) };
    let env_file = root.join(&options.env_file);
    // The API listens only when requests can be served.
    let claims = Claims {
        api_port: (!options.database_only).then_some(options.port),
        database_port: options.database_port,
        storage: &storage,
        env_file: &env_file,
    };
    let _locked = claims.check()?;
    let database = EmbeddedDatabase::start(storage, options.database_port).await?;
    let endpoint = database.endpoint();
    let database = running.insert(database);
    database.create_tables(template.tables())?;
    let mails = root.clone();
    let mail_service = MailService::start(move |mail| mails::show(&mails, mail)).await?;
    environment::refresh(&env_file, &template, &endpoint, &mail_service.endpoint())?;
    let data = if options.in_memory { "in memory" } else { "in .local/" };
    if options.database_only {
        print(format!(
            "The database is ready at {endpoint} (data {data}; Ctrl-C stops it). To run the functions, in another \
             terminal:"
        ));
        for command in manual::commands(&root, &options.env_file, options.port) {
            print(format!("  {command}"));
        }
        if let Some(line) = triggers::idle_message(&template) {
            print(line);
        }
        return std::future::pending().await;
    }

    print("Building the functions: a few minutes the first time, seconds later.");
    let mut tasks = JoinSet::new();
    let settings = Settings {
        root,
        release: options.release,
        environment: env_file,
        processes: options.concurrency.into(),
    };
    let functions = Functions::start(&template, settings, &mut tasks).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
    let listener =
        listener.with_context(|| format!("the API cannot listen on 127.0.0.1:{}", options.port))?;
    let address = format!("http://127.0.0.1:{}", options.port);
    let with_sample = options.sample;
    tasks.spawn(async move {
        if with_sample {
            sample::add(&address).await;
        }
        print(format!(
            "The movie bag is ready at {address} (data {data}; Ctrl-C stops it).\n\
             To read about the API and try it, open {address}/api/docs. Or sign up:\n  \
             curl -i {address}/api/auth/signup -H 'content-type: application/json' \
             -d '{{\"email\": \"ada@example.com\", \"password\": \"correct horse battery\"}}'"
        ));
    });
    let _triggers = triggers::run(&template, database, &functions)?;
    let invoke = move |function: String, event: Value| {
        let functions = Arc::clone(&functions);
        async move {
            let (result, lines) = functions.invoke(&function, &event).await;
            match result {
                Ok(response) => (HttpResponse::from_answer(&response), (None, lines)),
                Err(failure) => (failure.response(&event), (Some(failure.reason.without_output()), lines)),
            }
        }
    };
    gateway::serve(listener, Gateway::new(&template), invoke, log).await
}

/// Logs a request, with why its function has not responded, if it has not, and the lines of the function. While the sample
/// is added, only failures are logged.
fn log(exchange: Exchange<(Option<String>, Vec<String>)>) {
    let Exchange { method, path, received, responder, status } = exchange;
    if status < 300 && progress::is_shown() {
        return;
    }
    let entry = |name: &str| Entry::ending_now(received, &method, &path, name, Status::Http(status));
    match responder {
        Responder::Function { operation, log: (failure, lines) } => {
            print(Entry { failure, lines: FunctionLine::read_all(lines), ..entry(&operation) });
        }
        Responder::Preflight => print(entry("preflight")),
        Responder::NoRoute => print(entry("no route")),
        Responder::BadBody => print(entry("refused body")),
    }
}

/// The folder of the workspace: the nearest one, from here upwards, that holds the template.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("there is no current folder")?;
    let found = here.ancestors().find(|folder| folder.join("template.yaml").is_file());
    Ok(found
        .with_context(|| format!("there is no template.yaml in {} or above it", here.display()))?
        .to_owned())
}
