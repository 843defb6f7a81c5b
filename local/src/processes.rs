//! Programs that `cargo local` starts.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::{Pid as GroupId, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// How long a program may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(8);

/// A program in its own process group, so that a Ctrl-C in the terminal reaches it only through us, once.
pub(crate) struct Program {
    pub child: Child,
    pid: u32,
}

impl Program {
    /// Starts the command without input.
    pub fn start(mut command: Command) -> Result<Self> {
        let name = command.as_std().get_program().display().to_string();
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("{name} does not start"))?;
        let pid = child.id().with_context(|| format!("{name} ended at once"))?;
        Ok(Self { child, pid })
    }

    /// Interrupts the program as Ctrl-C does, and kills it if it does not end.
    pub async fn stop(mut self) {
        self.signal_group(Signal::INT);
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.pid).ok().and_then(GroupId::from_raw) {
            // It fails only if the whole group has ended.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Kills the group of a program that still runs, such as pip, or cargo with its compilers, because something else has
/// failed or Ctrl-C came.
impl Drop for Program {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            self.signal_group(Signal::KILL);
        }
    }
}
