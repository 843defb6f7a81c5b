//! Builds functions with cargo.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{io::AsyncReadExt as _, process::Command};

use crate::processes::Program;

/// The functions' package.
pub const PACKAGE: &str = "movie-bag";

/// The prefixes of variables that `cargo run` sets for `local` itself. Build scripts that read them would run again.
const OF_CARGO_RUN: [&str; 4] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// The result of building one function.
pub struct Build {
    /// The executable, unless the build failed.
    pub binary: Option<PathBuf>,
    pub diagnostics: Vec<Diagnostic>,
}

/// A warning or error of the compiler or of cargo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The message in one line, with its place in the code.
    pub summary: String,
    /// The text as the compiler prints it.
    pub rendered: String,
    /// Whether it is an error.
    pub is_error: bool,
}

/// Returns a command that runs in the workspace's folder, without the variables of this program's own `cargo run`.
pub fn command(program: impl AsRef<OsStr>, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        if OF_CARGO_RUN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds every function before anything runs, so that a compile error is seen at once and the first request is quick.
/// While it builds, `running` holds cargo, so that the caller can stop it.
pub async fn functions(root: &Path, release: bool, running: &mut Option<Program>) -> Result<()> {
    let mut cargo = command("cargo", root);
    cargo.args(["build", "--package", PACKAGE, "--bins"]);
    if release {
        cargo.arg("--release");
    }
    let status = running.insert(Program::start(cargo)?).child.wait().await?;
    *running = None;
    ensure!(status.success(), "the functions do not build; see the compiler's errors above");
    Ok(())
}

/// Builds the function of this name, with the options of `cargo run`.
pub async fn function(cargo: &Path, root: &Path, options: &[String], name: &str) -> Result<Build> {
    let is_coloured = options.windows(2).any(|pair| pair == ["--color", "always"]);
    let format = if is_coloured { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut cargo = command(cargo, root);
    cargo.arg("build").args(options).args(["--message-format", format]);
    cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::start(cargo)?;
    let mut output = program.child.stdout.take().context("cargo has no output")?;
    let mut errors = program.child.stderr.take().context("cargo has no standard error")?;
    let (mut messages, mut text) = (Vec::new(), Vec::new());
    tokio::try_join!(output.read_to_end(&mut messages), errors.read_to_end(&mut text))?;
    let is_success = program.child.wait().await?.success();
    let mut build = Build { binary: None, diagnostics: Vec::new() };
    for line in String::from_utf8_lossy(&messages).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if message["target"]["name"] == name {
            build.binary = message["executable"].as_str().map(PathBuf::from).or(build.binary);
        }
        build.diagnostics.extend(diagnostic(&message["message"]));
    }
    build.binary.take_if(|_| !is_success);
    if !is_success && !build.diagnostics.iter().any(|diagnostic| diagnostic.is_error) {
        // Cargo itself has failed, such as at its manifest.
        let rendered = String::from_utf8_lossy(&text).into_owned();
        let summary = rendered.lines().find(|line| line.contains("error")).unwrap_or("cargo failed");
        build.diagnostics.push(Diagnostic { summary: summary.to_owned(), rendered, is_error: true });
    }
    Ok(build)
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

    #[tokio::test]
    async fn a_failure_of_cargo_itself_is_reported() {
        let options = ["--manifest-path", "/nowhere/Cargo.toml", "--bin", "login"].map(str::to_owned);
        let build = function("cargo".as_ref(), "/".as_ref(), &options, "login").await.expect("cargo runs");
        assert_eq!(build.binary, None);
        let [failure] = &build.diagnostics[..] else { panic!("one diagnostic: {:?}", build.diagnostics) };
        assert!(failure.summary.contains("/nowhere/Cargo.toml"), "{failure:?}");
    }
}
