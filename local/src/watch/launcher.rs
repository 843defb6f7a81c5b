//! The program that `cargo lambda watch` runs in place of cargo.
//!
//! `cargo lambda watch` runs `cargo run --bin NAME` when a function is needed and whenever a file has changed, and does
//! not say what comes of it. `cargo local` therefore names itself as the cargo to use (the variable `CARGO`, which
//! cargo's subcommands go by). As such it builds the function with the real cargo, starts its processes, and reports
//! every step to `cargo local` through a socket. The connection ends with the launcher, however that ends.

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The variables that tell a launcher where `cargo local` listens, and which cargo to run.
pub const SOCKET_VARIABLE: &str = "MOVIE_BAG_LAUNCHER_SOCKET";
pub const CARGO_VARIABLE: &str = "MOVIE_BAG_LAUNCHER_CARGO";

/// How many bytes of a function's standard error are reported when it ends.
const LAST_WORDS: usize = 2_000;

/// What a launcher reports, each as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// Cargo begins to build this function. Always the first report.
    Building(String),
    /// Cargo has built it.
    Built { diagnostics: Vec<Diagnostic> },
    /// Cargo has not built it. Always the last report.
    NotBuilt { diagnostics: Vec<Diagnostic> },
    /// A process of the function has ended by itself.
    Exited { instance: Uuid, status: String, last_words: String },
}

/// A warning or error of the compiler or of cargo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The message in one line, with the place that it is about.
    pub summary: String,
    /// The text as the compiler shows it.
    pub rendered: String,
    /// Whether it is an error.
    pub is_error: bool,
}

/// Asks a launcher to start a process of its function.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The name by which the launcher reports the process.
    pub instance: Uuid,
    /// The process's `AWS_LAMBDA_RUNTIME_API`.
    pub runtime_api: String,
}

/// Acts as cargo if this process was started as a launcher, which ends with the result; `None` otherwise.
#[expect(clippy::print_stderr, reason = "cargo lambda shows the standard error")]
#[expect(clippy::disallowed_methods, reason = "a program learns its task from the environment")]
#[must_use]
pub fn run_as_cargo() -> Option<ExitCode> {
    let (socket, cargo) = (std::env::var_os(SOCKET_VARIABLE)?, std::env::var_os(CARGO_VARIABLE)?);
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, options)) if command == "run" => launch(Path::new(&socket), &cargo, options),
        // Cargo-lambda also asks cargo about the workspace. It returns only if there is no such cargo.
        _ => Err(command(&cargo).args(arguments).exec().into()),
    };
    Some(done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    }))
}

/// A command without the variables that make a launcher.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("CARGO").env_remove(SOCKET_VARIABLE).env_remove(CARGO_VARIABLE);
    command
}

fn launch(socket: &Path, cargo: &OsStr, options: &[OsString]) -> Result<ExitCode> {
    let name = options.iter().skip_while(|option| *option != "--bin").nth(1);
    let name = name.and_then(|name| name.to_str()).context("cargo lambda names no function to run")?;
    let connection = UnixStream::connect(socket).context("cargo local does not answer")?;
    let reports = Arc::new(Mutex::new(connection.try_clone()?));
    report(&reports, &Report::Building(name.to_owned()));
    let (binary, diagnostics) = build(cargo, options, name)?;
    let Some(binary) = binary else {
        report(&reports, &Report::NotBuilt { diagnostics });
        return Ok(ExitCode::FAILURE);
    };
    report(&reports, &Report::Built { diagnostics });
    // When `cargo local` has gone there are no more orders, and the processes end without a Runtime API.
    for order in BufReader::new(connection).lines() {
        let order: Order = serde_json::from_str(&order?)?;
        let (binary, reports) = (binary.clone(), Arc::clone(&reports));
        thread::spawn(move || {
            let (status, last_words) =
                run(&binary, &order).unwrap_or_else(|error| (format!("{error:#}"), String::new()));
            report(&reports, &Report::Exited { instance: order.instance, status, last_words });
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// A report that does not arrive is one that nobody waits for any more.
fn report(reports: &Mutex<UnixStream>, report: &Report) {
    let mut line = serde_json::to_string(report).unwrap_or_default();
    line.push('\n');
    let _ = reports.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
}

/// Builds the function of this name with the options of `cargo run`. Gives its binary, unless it could not be built, and
/// all that was said.
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
        // What could be read is shown.
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
    let said = errors.join().unwrap_or_default();
    if status.success() {
        return Ok((binary, diagnostics));
    }
    if !diagnostics.iter().any(|diagnostic| diagnostic.is_error) {
        // Cargo itself has failed, such as at its manifest.
        let summary = said.lines().find(|line| line.contains("error")).unwrap_or("cargo failed").to_owned();
        diagnostics.push(Diagnostic { summary, rendered: said, is_error: true });
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
    // "aborting due to 2 previous errors" and its like have no place, and say nothing.
    place.map(|place| Diagnostic {
        summary: format!("{text}{place}"),
        rendered: rendered.to_owned(),
        is_error,
    })
}

/// Runs a process of the function to its end. Gives how it ended, and the end of its standard error, which is also
/// passed on.
#[expect(clippy::print_stderr, reason = "cargo lambda shows the standard error")]
fn run(binary: &Path, order: &Order) -> Result<(String, String)> {
    let mut function = command(binary);
    function.env("AWS_LAMBDA_RUNTIME_API", &order.runtime_api).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut function = function.spawn().with_context(|| format!("{} does not start", binary.display()))?;
    let errors = function.stderr.take().context("it has no standard error")?;
    let mut last_words = String::new();
    for line in BufReader::new(errors).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        eprintln!("{line}");
        last_words.push_str(&line);
        last_words.push('\n');
        let mut cut = last_words.len().saturating_sub(LAST_WORDS);
        while !last_words.is_char_boundary(cut) {
            cut += 1;
        }
        last_words.drain(..cut);
    }
    Ok((function.wait()?.to_string(), last_words.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_of_the_compiler_is_summed_up_with_its_place() {
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
    fn a_build_that_fails_without_the_compiler_says_what_cargo_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = ["--manifest-path", "/nowhere/Cargo.toml", "--bin", "login"].map(OsString::from);
        let (binary, diagnostics) = build(OsStr::new("cargo"), &options, "login").expect("cargo runs");
        assert_eq!(binary, None);
        assert!(diagnostics[0].summary.contains("/nowhere/Cargo.toml"), "{diagnostics:?}");
        drop(folder);
    }

    #[test]
    fn the_end_of_a_process_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let binary = folder.path().join("function");
        let script = r#"printf '#!/bin/sh\necho first >&2; echo "no key at $AWS_LAMBDA_RUNTIME_API" >&2; exit 3\n' > "$0" && chmod +x "$0""#;
        let status = Command::new("/bin/sh").args(["-c", script]).arg(&binary).status().expect("a shell");
        assert!(status.success());
        let order = Order { instance: Uuid::nil(), runtime_api: "http://here".to_owned() };
        let (status, last_words) = run(&binary, &order).expect("it runs");
        assert_eq!(
            (status.as_str(), last_words.as_str()),
            ("exit status: 3", "first\nno key at http://here")
        );
    }
}
