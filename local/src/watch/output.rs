//! What `cargo local` prints.

use std::{fmt::Display, io::Write as _};

/// Prints a line. A closed standard output is no reason to stop.
pub fn print(line: impl Display) {
    let mut output = std::io::stdout();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}
