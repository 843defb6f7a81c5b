//! Finds `cargo lambda`, or installs the version this project is tested with into `target/tools`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::processes::Program;

/// The version this project is tested with.
pub const VERSION: &str = "1.9.2";

/// The packages that CI installs, with the hashes of their files.
const LOCK: &str = include_str!("../../.ci/tools/cargo-lambda.txt");

/// Returns the path of a `cargo-lambda` that runs: the one on the `PATH`, otherwise the one in `target/tools` under
/// `root`, which is installed if it is missing. Reports its steps to `print`.
pub async fn locate(root: &Path, print: impl Fn(&str)) -> Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "programs are found by the PATH")]
    let path = std::env::var("PATH").unwrap_or_default();
    let tools = root.join("target/tools");
    locate_in(OsStr::new(&path), &tools, print).await
}

async fn locate_in(path: &OsStr, tools: &Path, print: impl Fn(&str)) -> Result<PathBuf> {
    for folder in std::env::split_paths(path) {
        let program = folder.join("cargo-lambda");
        let Some(version) = version(&program).await else { continue };
        if version != VERSION {
            print(&format!(
                "Using cargo-lambda {version} from the PATH; this project is tested with {VERSION}."
            ));
        }
        return Ok(program);
    }
    let program = tools.join("bin/cargo-lambda");
    if version(&program).await.as_deref() == Some(VERSION) {
        return Ok(program);
    }
    print(&format!("cargo-lambda is not installed. Installing version {VERSION} into {} …", tools.display()));
    std::fs::create_dir_all(tools.join("bin"))
        .with_context(|| format!("cannot create {}", tools.display()))?;
    if let Err(reason) = install_wheel(path, tools, &program, &print).await {
        print(&format!(
            "The prebuilt package cannot be used ({reason:#}). Building it from source; this takes minutes."
        ));
        install_from_source(path, tools, &print).await.context("cargo-lambda cannot be installed")?;
    }
    match version(&program).await {
        Some(version) => print(&format!("cargo-lambda {version} is installed.")),
        None => bail!("cargo-lambda was installed as {}, but does not run", program.display()),
    }
    Ok(program)
}

/// Returns the version that a program reports, if it runs.
async fn version(program: &Path) -> Option<String> {
    if !program.is_file() {
        return None;
    }
    let output = Command::new(program).args(["lambda", "--version"]).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// Extracts the prebuilt binary from its Python package. The package is unpacked into a temporary folder first, so that
/// several processes may do this at once.
async fn install_wheel(path: &OsStr, tools: &Path, program: &Path, print: &impl Fn(&str)) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("cargo-lambda-").tempdir_in(tools)?;
    let package = folder.path().join("requirements.txt");
    std::fs::write(&package, locked_package()).context("the requirement cannot be written")?;
    let mut reason = anyhow::anyhow!("there is no Python with pip");
    for python in ["python3", "python"] {
        let mut command = Command::new(python);
        // `--target` also works in a Python that the system manages; without `--only-binary` pip might try to compile.
        command.args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]);
        command.args(["--disable-pip-version-check", "--no-input", "--quiet", "--upgrade", "--target"]);
        command.arg(folder.path()).args(["--require-hashes", "--requirement"]).arg(&package);
        command.env("PATH", path).env("PIP_ROOT_USER_ACTION", "ignore");
        print(&shown(&command));
        match run(command).await {
            Ok(()) => {
                let unpacked = folder.path().join("bin/cargo-lambda");
                let found = version(&unpacked).await;
                anyhow::ensure!(found.as_deref() == Some(VERSION), "its program does not run here");
                return std::fs::rename(unpacked, program).context("it cannot be moved into place");
            }
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// Returns the part of the lock for cargo-lambda itself, without Zig, which only cross-compiling needs.
fn locked_package() -> String {
    let package = LOCK.lines().skip_while(|line| !line.starts_with("cargo-lambda=="));
    let lines = package.take_while(|line| line.contains("==") || line.trim().starts_with("--hash"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

async fn install_from_source(path: &OsStr, tools: &Path, print: &impl Fn(&str)) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .args(["install", "--locked", "--force", "--root"])
        .arg(tools)
        .arg(format!("cargo-lambda@{VERSION}"));
    command.env("PATH", path);
    print(&shown(&command));
    run(command).await
}

async fn run(command: Command) -> Result<()> {
    let name = command.as_std().get_program().display().to_string();
    let status = Program::start(command)?.child.wait().await?;
    anyhow::ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

fn shown(command: &Command) -> String {
    let command = command.as_std();
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    let parts: Vec<String> = parts.map(|part| part.to_string_lossy().into_owned()).collect();
    format!("  {}", parts.join(" "))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Writes a program through another process: one that this process had open could be refused as busy, if another test
    /// was starting a program at that moment.
    fn write(path: &Path, script: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod +x "$2""#;
        let mut shell = std::process::Command::new("/bin/sh");
        let status = shell.args(["-c", write, "sh", script]).arg(path).status().expect("a shell");
        assert!(status.success());
    }

    fn program(folder: &Path, version: &str) {
        write(&folder.join("cargo-lambda"), &format!("echo 'cargo-lambda {version} (0000000 2026-01-01Z)'"));
    }

    #[test]
    fn the_tested_version_is_the_locked_one() {
        let package = locked_package();
        assert!(package.starts_with(&format!("cargo-lambda=={VERSION} \\\n")), "{package}");
        let lines = package.lines().count();
        assert!(lines > 1 && package.matches("--hash=sha256:").count() == lines - 1, "{package}");
    }

    #[tokio::test]
    async fn the_path_comes_first_and_another_version_is_reported() {
        let another = "Using cargo-lambda 1.10.0 from the PATH; this project is tested with 1.9.2.";
        for (on_path, expected, message) in
            [(Some("1.10.0"), "path/cargo-lambda", Some(another)), (None, "tools/bin/cargo-lambda", None)]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let (path, tools) = (folder.path().join("path"), folder.path().join("tools"));
            if let Some(version) = on_path {
                program(&path, version);
            }
            program(&tools.join("bin"), VERSION);
            let printed = RefCell::new(Vec::new());
            let print = |line: &str| printed.borrow_mut().push(line.to_owned());
            let found = locate_in(path.as_os_str(), &tools, print).await.expect("a program");
            assert_eq!(found, folder.path().join(expected));
            assert_eq!(printed.into_inner(), Vec::from_iter(message));
        }
    }

    #[tokio::test]
    async fn without_python_it_is_built_from_source() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, tools) = (folder.path().join("path"), folder.path().join("tools"));
        program(&folder.path().join("built"), VERSION);
        let copy = "/bin/cp built/cargo-lambda tools/bin/cargo-lambda; echo \"$@\" > asked";
        write(&path.join("cargo"), &format!("cd {}; {copy}", folder.path().display()));
        let printed = RefCell::new(Vec::new());
        let found =
            locate_in(path.as_os_str(), &tools, |line| printed.borrow_mut().push(line.to_owned())).await;
        assert_eq!(found.expect("a program"), tools.join("bin/cargo-lambda"));
        let asked = std::fs::read_to_string(folder.path().join("asked")).expect("the arguments");
        let tools = tools.display();
        assert_eq!(asked, format!("install --locked --force --root {tools} cargo-lambda@{VERSION}\n"));
        let printed = printed.into_inner().join("\n");
        assert!(
            printed.contains("The prebuilt package cannot be used (python does not start: No such file"),
            "{printed}"
        );
    }
}
