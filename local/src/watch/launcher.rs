//! The program that `cargo lambda watch` runs in place of cargo.
//!
//! `cargo lambda watch` runs `cargo run --bin NAME` when a function is first needed and whenever a file has changed, and
//! does not report the result. `cargo local` therefore names itself as the cargo to use (in the variable `CARGO`, which
//! cargo's subcommands read). Run as cargo, it is a *launcher*: it hands its options to `cargo local` through a socket,
//! which builds the function and runs it as long as the connection lives. `cargo lambda watch` kills the launcher when a
//! file changes.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

/// The variables that tell a launcher on which socket `cargo local` listens, and which cargo to run.
pub const SOCKET_VARIABLE: &str = "MOVIE_BAG_LAUNCHER_SOCKET";
pub const CARGO_VARIABLE: &str = "MOVIE_BAG_LAUNCHER_CARGO";

/// Acts as cargo if this process was started as a launcher, and returns its exit code; `None` otherwise.
#[expect(clippy::print_stderr, reason = "cargo lambda shows the standard error")]
#[expect(clippy::disallowed_methods, reason = "a program learns its task from the environment")]
#[must_use]
pub fn run_as_cargo() -> Option<ExitCode> {
    let (socket, cargo) = (std::env::var_os(SOCKET_VARIABLE)?, std::env::var_os(CARGO_VARIABLE)?);
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, options)) if command == "run" => launch(Path::new(&socket), options),
        _ => {
            // Cargo-lambda also asks cargo about the workspace. This returns only if there is no such cargo.
            let mut command = Command::new(cargo);
            command.env_remove("CARGO").env_remove(SOCKET_VARIABLE).env_remove(CARGO_VARIABLE);
            Err(command.args(arguments).exec().into())
        }
    };
    Some(done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    }))
}

fn launch(socket: &Path, options: &[OsString]) -> Result<ExitCode> {
    let options: Option<Vec<&str>> = options.iter().map(|option| option.to_str()).collect();
    let options = options.context("an option of cargo is not UTF-8")?;
    let mut connection = UnixStream::connect(socket).context("cargo local does not listen")?;
    connection.write_all(format!("{}\n", serde_json::to_string(&options)?).as_bytes())?;
    // Until `cargo local` ends.
    connection.read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}
