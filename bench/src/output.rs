//! What a process writes. It is read as Lambda reads it, kept to be shown if the process fails, and searched for the
//! lines in which a function tells how its invocations ended.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Child,
    sync::watch,
    task::JoinSet,
};

/// How much of what a process writes is kept.
const KEPT: usize = 64 * 1024;

/// Only the line that tells how an invocation ended says whether it was the first one.
const MARK: &[u8] = b"\"cold_start\":";

/// What a process has written so far.
pub struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    completed: watch::Receiver<Completed>,
}

/// The lines that told how an invocation ended.
#[derive(Default)]
struct Completed {
    count: usize,
    last: Vec<u8>,
}

impl Output {
    /// Reads whatever a process writes, by these tasks; a full pipe would stop it.
    pub fn of(child: &mut Child, tasks: &mut JoinSet<()>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (sender, completed) = watch::channel(Completed::default());
        if let (Some(text), Some(errors)) = (child.stdout.take(), child.stderr.take()) {
            tasks.spawn(read(text, Arc::clone(&kept), move |line| {
                sender.send_modify(|completed| {
                    completed.count += 1;
                    line.clone_into(&mut completed.last);
                });
            }));
            tasks.spawn(read(errors, Arc::clone(&kept), |_| ()));
        }
        Self { kept, completed }
    }

    /// Waits for the line of the invocation with this number, counted from 1, and gives it. `None` if the process ended
    /// before. The next invocation must not have begun.
    pub async fn completed(&mut self, number: usize) -> Option<Vec<u8>> {
        let told = self.completed.wait_for(|completed| completed.count >= number).await;
        told.ok().map(|completed| completed.last.clone())
    }

    /// The last of it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

async fn read(mut stream: impl AsyncRead + Unpin, kept: Arc<Mutex<Vec<u8>>>, completed: impl Fn(&[u8])) {
    let mut buffer = [0; 8192];
    let mut line = Vec::new();
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        for part in buffer[..length].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                if line.windows(MARK.len()).any(|window| window == MARK) {
                    completed(&line);
                }
                line.clear();
            }
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() > KEPT {
            kept.clear();
        }
        kept.extend_from_slice(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_put_together_however_they_come_in() {
        let text =
            "other\n{\"cold_start\":true}\n{\"n\":1}\n{\"cold_start\":false}\nunfinished \"cold_start\":";
        let found = Mutex::new(Vec::new());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let stream = in_parts(text.as_bytes(), 7);
        read(stream, Arc::clone(&kept), |line| {
            found.lock().expect("a lock").push(String::from_utf8_lossy(line).into_owned());
        })
        .await;
        let found = found.into_inner().expect("a lock");
        assert_eq!(found, ["{\"cold_start\":true}\n", "{\"cold_start\":false}\n"]);
        assert_eq!(*kept.lock().expect("a lock"), text.as_bytes());
    }

    /// A stream that gives so many bytes at a time.
    fn in_parts(text: &'static [u8], at_once: usize) -> impl AsyncRead + Unpin {
        let (reader, mut writer) = tokio::io::duplex(at_once);
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut writer, text).await });
        reader
    }
}
