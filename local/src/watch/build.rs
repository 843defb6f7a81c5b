//! Builds the functions with cargo.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, Command},
};

use super::output::{has_colors, print};

/// The functions' package.
pub const PACKAGE: &str = "movie-bag";

/// The prefixes of variables that `cargo run` sets for `local` itself. Build scripts that read them would run again.
const OF_CARGO_RUN: [&str; 4] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// The result of building the functions.
#[derive(Default)]
pub struct Build {
    binaries: BTreeMap<String, PathBuf>,
    pub diagnostics: Vec<Diagnostic>,
    /// Why there is no binary if the compiler reports no error, such as an error in `Cargo.toml`.
    error: String,
}

/// A warning or error of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The function or library that was compiled.
    pub target: String,
    /// The message in one line, with its place in the code.
    pub summary: String,
    /// The text as the compiler prints it.
    pub rendered: String,
    /// Whether it is an error.
    pub is_error: bool,
}

impl Build {
    /// Returns the executable of a function, or the error because of which there is none: its own, or otherwise the first
    /// one, which is that of a library.
    pub fn binary(&self, function: &str) -> Result<&Path, String> {
        if let Some(binary) = self.binaries.get(function) {
            return Ok(binary);
        }
        let errors = || self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error);
        let error = errors().find(|error| error.target == function).or_else(|| errors().next());
        Err(error.map_or_else(|| self.error.clone(), |error| error.summary.clone()))
    }
}

/// Builds all functions in the workspace `root`, and prints what cargo reports, except for the diagnostics. A function that
/// does not build does not keep the others from it.
pub async fn functions(root: &Path, release: bool) -> Build {
    let build = run_cargo(root, release).await;
    build.unwrap_or_else(|error| Build { error: format!("{error:#}"), ..Build::default() })
}

async fn run_cargo(root: &Path, release: bool) -> Result<Build> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--package", PACKAGE, "--bins", "--keep-going"]);
    if release {
        cargo.arg("--release");
    }
    if has_colors() {
        cargo.args(["--color", "always", "--message-format", "json-diagnostic-rendered-ansi"]);
    } else {
        cargo.args(["--message-format", "json"]);
    }
    for (name, _) in std::env::vars_os() {
        if OF_CARGO_RUN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    let mut cargo = Cargo::start(cargo)?;
    let mut output = cargo.0.stdout.take().context("cargo has no output")?;
    let errors = cargo.0.stderr.take().context("cargo has no standard error")?;
    let mut messages = Vec::new();
    let (_, error) = tokio::try_join!(output.read_to_end(&mut messages), show(errors))?;
    cargo.0.wait().await?;

    let mut build = Build { binaries: BTreeMap::new(), diagnostics: Vec::new(), error };
    for line in String::from_utf8_lossy(&messages).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        let target = message["target"]["name"].as_str().unwrap_or_default();
        if let Some(binary) = message["executable"].as_str() {
            build.binaries.insert(target.to_owned(), PathBuf::from(binary));
        }
        build.diagnostics.extend(diagnostic(target, &message["message"]));
    }
    Ok(build)
}

/// Prints the lines of cargo's standard error. Returns the first one that has an error.
async fn show(errors: impl AsyncRead + Unpin) -> std::io::Result<String> {
    let mut first = None;
    let mut lines = BufReader::new(errors).lines();
    while let Some(line) = lines.next_line().await? {
        print(&line);
        if line.contains("error") {
            first.get_or_insert(line);
        }
    }
    Ok(first.unwrap_or_else(|| "cargo failed".to_owned()))
}

fn diagnostic(target: &str, message: &Value) -> Option<Diagnostic> {
    let (text, rendered) = (message["message"].as_str()?, message["rendered"].as_str()?);
    let spans = message["spans"].as_array().into_iter().flatten();
    let place = spans
        .filter(|span| span["is_primary"] == true)
        .find_map(|span| Some(format!(" ({}:{})", span["file_name"].as_str()?, span["line_start"])));
    let is_error = message["level"].as_str()?.starts_with("error");
    // Messages such as "aborting due to 2 previous errors" have no place, and are left out.
    place.map(|place| Diagnostic {
        target: target.to_owned(),
        summary: format!("{text}{place}"),
        rendered: rendered.to_owned(),
        is_error,
    })
}

/// A cargo in its own process group. Dropping it kills it with its compilers, because a file has changed or Ctrl-C came.
struct Cargo(Child);

impl Cargo {
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Ok(Self(command.spawn().context("cargo does not start")?))
    }
}

impl Drop for Cargo {
    fn drop(&mut self) {
        // It has an id until it has ended.
        if let Some(group) = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It fails only if the whole group has ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_compiler_message_is_summarized_with_its_place() {
        let spans = json!([{"is_primary": true, "file_name": "functions/login/main.rs", "line_start": 12}]);
        let message = json!({
            "level": "error", "message": "expected `;`", "rendered": "error: expected `;` …", "spans": spans,
        });
        let expected = Diagnostic {
            target: "login".to_owned(),
            summary: "expected `;` (functions/login/main.rs:12)".to_owned(),
            rendered: "error: expected `;` …".to_owned(),
            is_error: true,
        };
        assert_eq!(diagnostic("login", &message), Some(expected));
        let conclusion = json!({
            "level": "error", "message": "aborting due to 1 previous error", "rendered": "error", "spans": [],
        });
        assert_eq!(diagnostic("login", &conclusion), None);
    }

    #[test]
    fn a_function_has_its_own_error_or_that_of_a_library() {
        let error = |target: &str, is_error| Diagnostic {
            target: target.to_owned(),
            summary: format!("in {target}"),
            rendered: String::new(),
            is_error,
        };
        let mut build = Build {
            binaries: [("logout".to_owned(), PathBuf::from("/built/logout"))].into(),
            diagnostics: vec![error("signup", false), error("shared", true), error("login", true)],
            error: "could not compile".to_owned(),
        };
        assert_eq!(build.binary("logout"), Ok(Path::new("/built/logout")));
        assert_eq!(build.binary("login"), Err("in login".to_owned()));
        assert_eq!(build.binary("signup"), Err("in shared".to_owned()));
        build.diagnostics.retain(|diagnostic| !diagnostic.is_error);
        assert_eq!(build.binary("signup"), Err("could not compile".to_owned()));
    }

    #[tokio::test]
    async fn a_failure_of_cargo_itself_is_reported() {
        let folder = tempfile::tempdir().expect("a folder");
        // On macOS, the folder for temporary files is a symbolic link.
        let folder = folder.path().canonicalize().expect("the path without links");
        let build = functions(&folder, false).await;
        assert_eq!(build.diagnostics, []);
        let error = build.binary("login").expect_err("a failure");
        assert!(error.contains(&format!("`Cargo.toml` in `{}`", folder.display())), "{error}");
    }
}
