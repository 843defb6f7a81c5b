//! Builds the functions before anything runs, so that a compile error is seen at once and the first request is quick.

use std::{ffi::OsStr, path::Path};

use anyhow::{Result, ensure};
use tokio::process::Command;

use crate::processes::Program;

/// The functions' package.
pub const PACKAGE: &str = "movie-bag";

/// The prefixes of variables that `cargo run` sets for `local` itself. Build scripts that read them would run again.
const OF_CARGO_RUN: [&str; 4] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

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

/// Builds every function as `cargo lambda watch` will. While it builds, `running` holds cargo, so that the caller can stop
/// it.
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
