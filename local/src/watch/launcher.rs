//! The program that `cargo lambda watch` runs in place of cargo.
//!
//! `cargo lambda watch` runs `cargo run --bin NAME` when a function is first needed and whenever a file has changed, and
//! does not report the result. `cargo local` therefore names itself as the cargo to use (in the variable `CARGO`, which
//! cargo's subcommands read). Run as cargo, it is a *launcher*: it builds the function with the real cargo, and reports
//! the result to `cargo local` through a socket, which then runs the function as long as the connection lives. It ends
//! when `cargo lambda watch` kills the launcher, because a file has changed.

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The variables that tell a launcher on which socket `cargo local` listens, and which cargo to run.
pub const SOCKET_VARIABLE: &str = "MOVIE_BAG_LAUNCHER_SOCKET";
pub const CARGO_VARIABLE: &str = "MOVIE_BAG_LAUNCHER_CARGO";

/// A report of a launcher, sent as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// Cargo begins to build this function. Always the first report.
    Building(String),
    /// Cargo has built it.
    Built { binary: PathBuf, diagnostics: Vec<Diagnostic> },
    /// Cargo has failed to build it. Always the last report.
    NotBuilt { diagnostics: Vec<Diagnostic> },
}

/// A warning or error of the compiler or of cargo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The message in one line, with its place in the code.
    pub summary: String,
    /// The text as the compiler prints it.
    pub rendered: String,
    /// Whether it is an error.
    pub is_error: bool,
}

/// Acts as cargo if this process was started as a launcher, and returns its exit code; `None` otherwise.
#[expect(clippy::print_stderr, reason = "cargo lambda shows the standard error")]
#[expect(clippy::disallowed_methods, reason = "a program learns its task from the environment")]
#[must_use]
pub fn run_as_cargo() -> Option<ExitCode> {
    let (socket, cargo) = (std::env::var_os(SOCKET_VARIABLE)?, std::env::var_os(CARGO_VARIABLE)?);
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, options)) if command == "run" => launch(Path::new(&socket), &cargo, options),
        // Cargo-lambda also asks cargo about the workspace. This returns only if there is no such cargo.
        _ => Err(command(&cargo).args(arguments).exec().into()),
    };
    Some(done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    }))
}

/// Returns a command without the variables that make a launcher.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("CARGO").env_remove(SOCKET_VARIABLE).env_remove(CARGO_VARIABLE);
    command
}

fn launch(socket: &Path, cargo: &OsStr, options: &[OsString]) -> Result<ExitCode> {
    let name = options.iter().skip_while(|option| *option != "--bin").nth(1);
    let name = name.and_then(|name| name.to_str()).context("cargo lambda names no function to run")?;
    let mut connection = UnixStream::connect(socket).context("cargo local does not listen")?;
    report(&mut connection, &Report::Building(name.to_owned()))?;
    let (binary, diagnostics) = build(cargo, options, name)?;
    let Some(binary) = binary else {
        report(&mut connection, &Report::NotBuilt { diagnostics })?;
        return Ok(ExitCode::FAILURE);
    };
    report(&mut connection, &Report::Built { binary, diagnostics })?;
    // The function runs until this process is killed or `cargo local` ends.
    connection.read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

fn report(connection: &mut UnixStream, report: &Report) -> Result<()> {
    let line = serde_json::to_string(report)? + "\n";
    Ok(connection.write_all(line.as_bytes())?)
}

/// Builds the function of this name with the options of `cargo run`. Returns its binary, unless the build failed, and all
/// diagnostics.
fn build(cargo: &OsStr, options: &[OsString], name: &str) -> Result<(Option<PathBuf>, Vec<Diagnostic>)> {
    let is_coloured = options.windows(2).any(|pair| pair[0] == "--color" && pair[1] == "always");
    let format = if is_coloured { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut build = command(cargo);
    build.arg("build").args(options).args(["--message-format", format]);
    build.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut build = build.spawn().context("cargo does not start")?;
    let mut errors = build.stderr.take().context("cargo has no standard error")?;
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        // Whatever could be read is shown.
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut binary = None;
    let mut diagnostics = Vec::new();
    for line in BufReader::new(build.stdout.take().context("cargo has no output")?).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        if let (Some(executable), true) = (message["executable"].as_str(), message["target"]["name"] == name)
        {
            binary = Some(PathBuf::from(executable));
        }
        diagnostics.extend(diagnostic(&message["message"]));
    }
    let status = build.wait()?;
    let output = errors.join().unwrap_or_default();
    if status.success() {
        return Ok((binary, diagnostics));
    }
    if !diagnostics.iter().any(|diagnostic| diagnostic.is_error) {
        // Cargo itself has failed, such as at its manifest.
        let summary = output.lines().find(|line| line.contains("error")).unwrap_or("cargo failed").to_owned();
        diagnostics.push(Diagnostic { summary, rendered: output, is_error: true });
    }
    Ok((None, diagnostics))
}

fn diagnostic(message: &Value) -> Option<Diagnostic> {
    let (text, rendered) = (message["message"].as_str()?, message["rendered"].as_str()?);
    let spans = message["spans"].as_array().into_iter().flatten();
    let place = spans
        .filter(|span| span["is_primary"] == true)
        .find_map(|span| Some(format!(" ({}:{})", span["file_name"].as_str()?, span["line_start"])));
    let is_error = message["level"].as_str()?.starts_with("error");
    // Messages such as "aborting due to 2 previous errors" have no place, and are left out.
    place.map(|place| Diagnostic {
        summary: format!("{text}{place}"),
        rendered: rendered.to_owned(),
        is_error,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_compiler_message_is_summarised_with_its_place() {
        let spans = json!([{"is_primary": true, "file_name": "functions/login/main.rs", "line_start": 12}]);
        let message = json!({
            "level": "error", "message": "expected `;`", "rendered": "error: expected `;` …", "spans": spans,
        });
        let expected = Diagnostic {
            summary: "expected `;` (functions/login/main.rs:12)".to_owned(),
            rendered: "error: expected `;` …".to_owned(),
            is_error: true,
        };
        assert_eq!(diagnostic(&message), Some(expected));
        let conclusion = json!({
            "level": "error", "message": "aborting due to 1 previous error", "rendered": "error", "spans": [],
        });
        assert_eq!(diagnostic(&conclusion), None);
    }

    #[test]
    fn a_failure_of_cargo_itself_is_reported() {
        let options = ["--manifest-path", "/nowhere/Cargo.toml", "--bin", "login"].map(OsString::from);
        let (binary, diagnostics) = build(OsStr::new("cargo"), &options, "login").expect("cargo runs");
        assert_eq!(binary, None);
        assert!(diagnostics[0].summary.contains("/nowhere/Cargo.toml"), "{diagnostics:?}");
    }
}
