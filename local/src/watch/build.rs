//! Builds the functions before anything runs, so that a mistake is seen at once and the first request is quick.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::PACKAGE;
use crate::{
    processes::Program,
    runtime_api::{Function, FunctionOptions, Outcome},
    template::Template,
};

/// What `cargo run` says about `local` itself. Build scripts that look at these would run again for nothing.
const OF_CARGO_RUN: [&str; 4] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// A command in the workspace's folder, free of what this program's own `cargo run` has set.
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

/// Builds every function the way `cargo lambda watch` will, and gives the binaries by their names. While it builds,
/// `running` holds the compiler, so that it can be stopped.
pub async fn functions(
    root: &Path,
    release: bool,
    running: &mut Option<Program>,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut cargo = command("cargo", root);
    cargo.args(["build", "--package", PACKAGE, "--bins", "--message-format", "json-render-diagnostics"]);
    if release {
        cargo.arg("--release");
    }
    cargo.stdout(Stdio::piped());
    let cargo = running.insert(Program::start(cargo)?);
    let messages = cargo.child.stdout.take().context("cargo has no output")?;
    let mut messages = BufReader::new(messages).lines();
    let mut binaries = BTreeMap::new();
    while let Some(line) = messages.next_line().await? {
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        if let (Some(name), Some(binary)) =
            (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            binaries.insert(name.to_owned(), PathBuf::from(binary));
        }
    }
    let status = cargo.child.wait().await?;
    *running = None;
    if !status.success() {
        bail!("the functions do not build; the compiler says why above");
    }
    Ok(binaries)
}

/// Starts every function of the template once. Under `cargo lambda watch` one that ends at start would leave its
/// callers without any answer, so it is better known before.
pub async fn check_that_they_start(
    template: &Template,
    binaries: &BTreeMap<String, PathBuf>,
    variables: &[(String, String)],
) -> Result<()> {
    for function in template.functions() {
        let name = &function.operation;
        let binary = binaries.get(name);
        let binary = binary.with_context(|| {
            format!("the package {PACKAGE} has no binary {name}, which the template names")
        })?;
        let environment = variables.to_vec();
        let options = FunctionOptions { environment, ..FunctionOptions::new(name, binary) };
        if let Err(Outcome::Crashed { status, logs }) = Function::start(options).await?.ready().await {
            let reason = if logs.is_empty() { status } else { logs };
            bail!("the function {name} does not start: {reason}");
        }
    }
    Ok(())
}
