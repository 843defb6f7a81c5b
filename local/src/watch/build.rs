//! Builds the functions before anything runs, so that a mistake is seen at once and the first request is quick.

use std::{ffi::OsStr, path::Path};

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::PACKAGE;
use crate::processes::Program;

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

/// Builds every function the way `cargo lambda watch` will. While it builds, `running` holds the compiler, so that it
/// can be stopped.
pub async fn functions(root: &Path, release: bool, running: &mut Option<Program>) -> Result<()> {
    let mut cargo = command("cargo", root);
    cargo.args(["build", "--package", PACKAGE, "--bins"]);
    if release {
        cargo.arg("--release");
    }
    let status = running.insert(Program::start(cargo)?).child.wait().await?;
    *running = None;
    ensure!(status.success(), "the functions do not build; the compiler says why above");
    Ok(())
}
