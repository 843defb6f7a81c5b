//! The output of a process. It is read as Lambda reads it, kept to be shown if the process fails, and searched for the
//! completion lines of invocations.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Child,
    sync::mpsc,
    task::JoinSet,
};

/// How many bytes of the output are kept.
const KEPT: usize = 64 * 1024;

/// Only the completion line of an invocation has this member.
const MARK: &[u8] = b"\"cold_start\":";

/// The output of a process so far.
pub struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    /// The completion lines, until the process ends.
    pub completed: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Output {
    /// Reads the output of a process in these tasks; a full pipe would block the process.
    pub fn of(child: &mut Child, tasks: &mut JoinSet<()>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (sender, completed) = mpsc::unbounded_channel();
        if let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) {
            tasks.spawn(read(output, Arc::clone(&kept), sender.clone()));
            tasks.spawn(read(errors, Arc::clone(&kept), sender));
        }
        Self { kept, completed }
    }

    /// Returns the end of the output.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

async fn read(
    stream: impl AsyncRead + Unpin,
    kept: Arc<Mutex<Vec<u8>>>,
    completed: mpsc::UnboundedSender<Vec<u8>>,
) {
    let (mut stream, mut line) = (BufReader::new(stream), Vec::new());
    while let Ok(1..) = stream.read_until(b'\n', &mut line).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() > KEPT {
            kept.clear();
        }
        kept.extend_from_slice(&line);
        drop(kept);
        if line.ends_with(b"\n") && line.windows(MARK.len()).any(|window| window == MARK) {
            // Once the instance has been dropped, its lines are not needed.
            let _ = completed.send(std::mem::take(&mut line));
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn completion_lines_are_told_from_other_output() {
        let text =
            "other\n{\"cold_start\":true}\n{\"n\":1}\n{\"cold_start\":false}\nunfinished \"cold_start\":";
        let kept = Arc::default();
        let (sender, mut completed) = mpsc::unbounded_channel();
        read(text.as_bytes(), Arc::clone(&kept), sender).await;
        assert_eq!(completed.recv().await.as_deref(), Some(&b"{\"cold_start\":true}\n"[..]));
        assert_eq!(completed.recv().await.as_deref(), Some(&b"{\"cold_start\":false}\n"[..]));
        assert_eq!(completed.recv().await, None);
        assert_eq!(*kept.lock().expect("a lock"), text.as_bytes());
    }
}
