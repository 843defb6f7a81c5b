//! What `cargo local` prints.

use std::{fmt::Display, io::Write as _};

use anstream::{AutoStream, ColorChoice};

use super::progress::without_bar;

/// Prints text that ends a line. Without a terminal, or with `NO_COLOR`, it is printed without colors. A closed standard
/// output is no reason to stop.
pub fn print(text: impl Display) {
    // One write, because other programs may write to the same terminal.
    let text = format!("{text}\n");
    without_bar(|| {
        let mut output = anstream::stdout().lock();
        let _ = output.write_all(text.as_bytes());
        let _ = output.flush();
    });
}

/// Returns whether colors are printed.
pub fn has_colors() -> bool {
    AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}
