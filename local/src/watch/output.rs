//! What `cargo local` prints: its own messages, and the output of `cargo lambda watch` without noise.

use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    task::JoinSet,
};

use crate::processes::Program;

/// The beginnings of lines that are not shown. Launchers report how builds end.
const NOISE: [&str; 7] = [
    " INFO starting Runtime server",
    " INFO starting lambda function instance",
    " INFO spawning function instance",
    " INFO terminating ",
    "ERROR available_functions=",
    "ERROR command exited",
    "ERROR command killed",
];

/// Prints a line. A closed standard output is no reason to stop.
pub fn print(line: impl Display) {
    let mut output = std::io::stdout();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}

/// Shows a program's output, until it ends or the result is dropped.
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

/// Returns whether the output may have colours.
pub fn is_coloured() -> bool {
    std::io::stdout().is_terminal()
}

async fn show_lines(stream: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        if !is_noise(&without_colours(&line)) {
            print(line);
        }
    }
}

fn is_noise(line: &str) -> bool {
    NOISE.iter().any(|noise| line.starts_with(noise))
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
    fn noise_is_told_from_other_lines_even_in_colour() {
        assert_eq!(without_colours("\u{1b}[0m\u{1b}[1;32m   Compiling\u{1b}[0m x"), "   Compiling x");
        assert!(is_noise(" INFO spawning function instance function=\"login\""));
        assert!(!is_noise(" INFO request{}: request completed"));
        assert!(!is_noise("   Compiling movie-bag v0.1.0"));
    }
}
