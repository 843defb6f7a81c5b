//! A progress bar below everything that is printed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar that is shown.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The progress of a task. The bar disappears when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows the progress of a task with so many steps, if the standard output is a terminal.
    pub fn new(task: &'static str, steps: usize) -> Self {
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len}");
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stdout())
            .with_style(style.expect("a valid template").progress_chars("=> "))
            .with_message(task);
        *shown() = Some(bar.clone());
        Self(bar)
    }

    /// Notes that a step is done. Without a terminal, returns a line to print for each quarter of the steps.
    pub fn advance(&self) -> Option<String> {
        self.0.inc(1);
        let (done, steps) = (self.0.position(), self.0.length().unwrap_or_default());
        let is_quarter = done % (steps / 4).max(1) == 0;
        (self.0.is_hidden() && is_quarter).then(|| format!("{}: {done} of {steps}", self.0.message()))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        *shown() = None;
    }
}

/// Returns whether a task is in progress.
pub fn is_shown() -> bool {
    shown().is_some()
}

/// Writes to the terminal while no bar is there.
pub fn without_bar(write: impl FnOnce()) {
    match shown().as_ref() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}
