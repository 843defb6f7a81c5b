//! The command behind `cargo local`.

use std::process::ExitCode;

use clap::Parser as _;
use local::watch::{self, Options};

#[tokio::main]
#[expect(clippy::print_stderr, reason = "this is where a person reads what went wrong")]
async fn main() -> ExitCode {
    match watch::run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo local: {error:#}");
            ExitCode::FAILURE
        }
    }
}
