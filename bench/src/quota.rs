//! The share of a core that a function of some memory size has, as a control group with a CPU quota.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// The memory size, in megabytes, at which a function has one whole core:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const WHOLE_CORE: u32 = 1769;

/// In microseconds. Lambda's own period is 20 ms; the kernel refuses quotas below 1 ms, and the quota of 128 MB is just
/// above that.
const PERIOD: u32 = 20_000;

/// A control group of this run. Dropping it removes it; its processes must have ended by then.
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// Creates a group with the share of a core that a function with this much memory has. Fails where control groups
    /// are not writable, which is common without root.
    pub fn for_memory(megabytes: u32) -> Result<Self> {
        let name = format!("movie-bag-bench-{}-{megabytes}", std::process::id());
        let mut problem = None;
        for parent in parents()? {
            match Self::create(parent.join(&name), megabytes) {
                Ok(group) => return Ok(group),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(problem.context("there is no control group with a CPU controller")?)
    }

    fn create(path: PathBuf, megabytes: u32) -> Result<Self> {
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let group = Self { path };
        let quota = u64::from(PERIOD) * u64::from(megabytes) / u64::from(WHOLE_CORE);
        if group.path.join("cpu.max").exists() {
            group.set("cpu.max", &format!("{quota} {PERIOD}"))?;
        } else {
            let controlled = group.path.join("cpu.cfs_quota_us").exists();
            ensure!(controlled, "{} has no CPU controller", group.path.display());
            group.set("cpu.cfs_period_us", &PERIOD.to_string())?;
            group.set("cpu.cfs_quota_us", &quota.to_string())?;
        }
        Ok(group)
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns a command that enters the group and then becomes `binary` in the same process. Before that it is a
    /// shell, without a limit, for about a millisecond.
    pub fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo 0 > "$0" && exec "$1""#]);
        command.arg(self.path.join("cgroup.procs")).arg(binary);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that still runs keeps the group. The group is harmless once that process has ended.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Returns where a group may be created: under this process's own group, or under the root, which may have the CPU
/// controller when the own group lacks it. Version 2 has one hierarchy; version 1 has a separate one for the CPU.
fn parents() -> Result<Vec<PathBuf>> {
    let own = fs::read_to_string("/proc/self/cgroup").context("this system has no control groups")?;
    let own = |controller: &str| {
        let mut lines = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        let (_, path) = lines.find(|(controllers, _)| controllers.split(',').any(|one| one == controller))?;
        Some(path.trim_start_matches('/').to_owned())
    };
    let mut parents = Vec::new();
    for (controller, root) in [("", "/sys/fs/cgroup"), ("cpu", "/sys/fs/cgroup/cpu")] {
        let Some(own) = own(controller) else { continue };
        parents.extend([Path::new(root).join(own), root.into()]);
    }
    // A folder outside a hierarchy limits nothing.
    parents.retain(|parent| parent.join("cgroup.procs").exists());
    parents.dedup();
    Ok(parents)
}
