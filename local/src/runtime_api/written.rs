//! What a process writes to its standard output and error: one pipe for both, so that the lines stay in order.

use std::{
    io::{PipeReader, PipeWriter, Write as _},
    os::fd::OwnedFd,
    process::Stdio,
    sync::Arc,
};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::unix::pipe::Receiver,
};
use uuid::Uuid;

use super::queue::Logs;
use crate::observed::Observed;

/// How many lines of an invocation are kept.
const MOST_LINES: usize = 10_000;

/// The lines of one process.
pub struct Written {
    writer: PipeWriter,
    /// A line that ends with this text is the end of what was written before [`Written::end`] was called. It is random, so
    /// that the process does not write it.
    mark: String,
    state: Observed<State>,
}

#[derive(Default)]
struct State {
    /// The lines of the current invocation, if there is one.
    lines: Option<Vec<String>>,
    marks_written: usize,
    marks_read: usize,
}

impl State {
    /// Adds a line to the current invocation. Returns `false` if there is none.
    fn keep(&mut self, text: &str) -> bool {
        let Some(lines) = &mut self.lines else { return false };
        match lines.len() {
            ..MOST_LINES => lines.push(text.to_owned()),
            MOST_LINES => lines.push("(further lines are left out)".to_owned()),
            _ => {}
        }
        true
    }
}

impl Written {
    /// Returns the lines of a new process, and the pipe to [read](Self::read) them from.
    pub fn new() -> Result<(Self, PipeReader)> {
        let (reader, writer) = std::io::pipe()?;
        let mark = format!("\0{}", Uuid::new_v4());
        Ok((Self { writer, mark, state: Observed::default() }, reader))
    }

    /// Returns the end of the pipe that the process writes to.
    pub fn stdio(&self) -> Result<Stdio> {
        Ok(self.writer.try_clone()?.into())
    }

    /// Begins the lines of an invocation. Lines that the process has written before, and that are not read yet, are among
    /// them.
    pub fn begin(&self) {
        self.state.lock().lines = Some(Vec::new());
    }

    /// Ends the lines of the invocation, if there is one: waits until everything is read that the process has written so
    /// far, and returns the lines.
    pub async fn end(self: &Arc<Self>) -> Vec<String> {
        let number = self.state.change(|state| {
            state.marks_written += 1;
            state.marks_written
        });
        let this = Arc::clone(self);
        // The pipe blocks, because the process shares its mode.
        let write = move || (&this.writer).write_all(format!("{}\n", this.mark).as_bytes());
        if let Ok(Ok(())) = tokio::task::spawn_blocking(write).await {
            self.state.when(|state| (state.marks_read >= number).then_some(())).await;
        }
        self.state.lock().lines.take().unwrap_or_default()
    }

    /// Reads the lines until it is dropped. Adds each to the logs, and calls `show` with those that belong to no
    /// invocation.
    pub async fn read(self: Arc<Self>, reader: PipeReader, logs: [Arc<Logs>; 2], show: impl Fn(&str)) {
        let Ok(reader) = Receiver::from_owned_fd(OwnedFd::from(reader)) else { return };
        let mut lines = BufReader::new(reader).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line);
            let unmarked = line.strip_suffix(&self.mark);
            let text = unmarked.unwrap_or(&line).trim_end_matches('\r');
            if unmarked.is_none() || !text.is_empty() {
                for logs in &logs {
                    logs.add(text.to_owned());
                }
                // The state is not locked while a line is shown, because a terminal can block.
                if !self.state.lock().keep(text) {
                    show(text);
                }
            }
            if unmarked.is_some() {
                self.state.change(|state| state.marks_read += 1);
            }
        }
    }
}
