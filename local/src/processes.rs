//! Programs that `cargo local` starts, with their descendants.

use std::{collections::HashSet, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::{Pid as GroupId, Signal, kill_process_group};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};
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

    /// Interrupts the program as Ctrl-C does, waits, and kills every descendant that is left. (`cargo lambda` gives every
    /// function a session of its own, which a signal to its group does not reach.)
    pub async fn stop(mut self) {
        let family = family(self.pid);
        self.signal_group(Signal::INT);
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let system = snapshot();
        for (pid, started) in family {
            // The same number with another start time is another process.
            let survivor = system.as_ref().and_then(|system| system.process(pid));
            if let Some(survivor) = survivor.filter(|process| process.start_time() == started) {
                survivor.kill();
            }
        }
        let _ = self.child.kill().await;
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

/// Returns a process and all its descendants, with their start times.
fn family(pid: u32) -> Vec<(Pid, u64)> {
    let Some(system) = snapshot() else { return Vec::new() };
    let mut members = HashSet::from([Pid::from_u32(pid)]);
    let joins = |members: &HashSet<Pid>, process: &Process| {
        !members.contains(&process.pid()) && process.parent().is_some_and(|parent| members.contains(&parent))
    };
    loop {
        let new: Vec<Pid> = system
            .processes()
            .values()
            .filter(|process| joins(&members, process))
            .map(Process::pid)
            .collect();
        if new.is_empty() {
            break;
        }
        members.extend(new);
    }
    let known = members.iter().filter_map(|pid| system.process(*pid));
    known.map(|process| (process.pid(), process.start_time())).collect()
}

/// Returns the running processes, if the system tells them.
fn snapshot() -> Option<System> {
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    Some(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_a_program_ends_descendants_outside_its_group() {
        let mut command = Command::new("/bin/sh");
        // A shell that ignores the request, and with job control a grandchild in a process group of its own.
        command.args(["-c", "trap '' INT; set -m; sleep 4242 & sleep 1; true"]);
        let program = Program::start(command).expect("a program");
        let grown = async {
            while family(program.pid).len() < 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), grown).await.expect("the shell has two children");
        let members = family(program.pid);
        program.stop().await;
        let system = snapshot().expect("a list of processes");
        let alive = |process: &Process| process.status() != sysinfo::ProcessStatus::Zombie;
        let left = members.iter().filter(|(pid, _)| system.process(*pid).is_some_and(alive)).count();
        assert_eq!(left, 0);
    }
}
