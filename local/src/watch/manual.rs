//! The command that runs the functions while `cargo local` serves only the database.

use std::path::{Path, PathBuf};

use super::build::PACKAGE;

/// Where the project's own tools are installed, in the folder of the workspace.
const TOOLS: &str = "target/ci/venv";

/// Returns what to run in another terminal, one command a line. It works in any folder, and finds `cargo-lambda` where it is
/// now: in the `PATH`, where `pip install --user` puts it, or among the tools of the project. If it is in none of them,
/// the first command installs it.
pub fn commands(root: &Path, env_file: &Path, port: u16) -> Vec<String> {
    commands_with(root, env_file, port, &search_path())
}

fn commands_with(root: &Path, env_file: &Path, port: u16, path: &[PathBuf]) -> Vec<String> {
    let tools = root.join(TOOLS).join("bin");
    let programs = path.iter().chain([&tools]).map(|folder| folder.join("cargo-lambda"));
    let found = programs.into_iter().find(|program| program.is_file());
    let folder = quoted(root);
    let install = found.is_none().then(|| format!("cd {folder} && .ci/venv {TOOLS} cargo-lambda"));
    let program = found.unwrap_or_else(|| tools.join("cargo-lambda"));
    let run = format!(
        "cd {folder} && {} lambda watch --package {PACKAGE} --invoke-address 127.0.0.1 --invoke-port {port} \
         --disable-cors --env-file {}",
        quoted(&program),
        quoted(env_file)
    );
    install.into_iter().chain([run]).collect()
}

/// Returns the folders in which a shell finds programs, and the folder of `pip install --user`.
fn search_path() -> Vec<PathBuf> {
    let variable =
        |wanted: &str| std::env::vars_os().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let path = variable("PATH").unwrap_or_default();
    let user = variable("HOME").map(|home| Path::new(&home).join(".local/bin"));
    std::env::split_paths(&path).chain(user).collect()
}

/// Quotes a path for a shell, if that is necessary.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-+@".contains(char);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_command_names_the_cargo_lambda_that_is_installed() {
        let root = tempfile::tempdir().expect("a folder");
        let place = root.path().display();
        let commands = |path: &[PathBuf]| commands_with(root.path(), Path::new(".env"), 9000, path);
        let run = |program: &str| {
            format!(
                "cd {place} && {program} lambda watch --package movie-bag --invoke-address 127.0.0.1 \
                 --invoke-port 9000 --disable-cors --env-file .env"
            )
        };
        let tool = format!("{place}/target/ci/venv/bin/cargo-lambda");
        let install = format!("cd {place} && .ci/venv target/ci/venv cargo-lambda");
        let pip = root.path().join("pip");
        assert_eq!(commands(std::slice::from_ref(&pip)), [install, run(&tool)]);
        for program in [tool, format!("{place}/pip/cargo-lambda")] {
            fs::create_dir_all(Path::new(&program).parent().expect("a folder")).expect("a folder");
            fs::write(&program, "").expect("a program");
            assert_eq!(commands(std::slice::from_ref(&pip)), [run(&program)]);
        }
    }

    #[test]
    fn a_path_is_quoted_for_a_shell() {
        for (path, expected) in [("/a/b-c.d", "/a/b-c.d"), ("/my bag", "'/my bag'"), ("/a'b", r"'/a'\''b'")] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
