//! The command behind `cargo local`. When `cargo lambda watch` starts it, it acts as cargo; see `watch/launcher.rs`.

use std::process::ExitCode;

use clap::Parser as _;
use local::watch::{self, Options};

fn main() -> ExitCode {
    watch::run_as_cargo().unwrap_or_else(serve)
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "this is where a person reads what went wrong")]
async fn serve() -> ExitCode {
    match watch::run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo local: {error:#}");
            ExitCode::FAILURE
        }
    }
}
