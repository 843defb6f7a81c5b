//! Shows what `cargo lambda watch` and the functions write, without the noise.

use std::io::IsTerminal as _;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    task::JoinSet,
};

use super::say;
use crate::processes::Program;

/// How lines begin that are of no use here. How builds and processes end is reported by launchers.
const NOISE: [&str; 7] = [
    " INFO starting Runtime server",
    " INFO starting lambda function instance",
    " INFO spawning function instance",
    " INFO terminating ",
    "ERROR available_functions=",
    "ERROR command exited",
    "ERROR command killed",
];

/// Begins to show a program's output, until it ends or the result is dropped.
pub fn show(watch: &mut Program) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(output) = watch.child.stdout.take() {
        tasks.spawn(show_lines(output));
    }
    if let Some(errors) = watch.child.stderr.take() {
        tasks.spawn(show_lines(errors));
    }
    tasks
}

/// Whether colours make sense in the output.
pub fn is_coloured() -> bool {
    std::io::stdout().is_terminal()
}

async fn show_lines(stream: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        let plain = without_colours(&line);
        if !is_noise(&plain) {
            say(line);
        }
    }
}

fn is_noise(line: &str) -> bool {
    // The variable is set by `cargo lambda` itself; how the runtime mentions it depends on the function's log format.
    line.contains("AWS_LAMBDA_MAX_CONCURRENCY is set to '1'")
        || NOISE.iter().any(|noise| line.starts_with(noise))
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';');
        rest = rest.get(1..).unwrap_or_default();
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_hide_what_a_line_says() {
        assert_eq!(without_colours("\u{1b}[0m\u{1b}[1;32m   Compiling\u{1b}[0m x"), "   Compiling x");
    }

    #[test]
    fn noise_is_told_from_what_functions_say() {
        assert!(is_noise(" INFO spawning function instance function=\"login\""));
        assert!(!is_noise(" INFO request{}: request completed"));
        assert!(!is_noise("   Compiling movie-bag v0.1.0"));
    }
}
