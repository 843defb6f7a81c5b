//! A share of a core, as a function of some memory size has it: a control group with a CPU quota.

use std::path::Path;
use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// The memory size, in megabytes, at which a function has one whole core:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const WHOLE_CORE: u32 = 1769;

/// In microseconds. Lambda's own is 20 ms; the kernel takes no quota below 1 ms, which 128 MB are just above.
const PERIOD: u32 = 20_000;

/// A control group of this run. It is removed when it is dropped, by when its processes must have ended.
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// Makes a group with the share of a core that a function with so much memory has. It is an error where control
    /// groups are not writable, which without root they seldom are.
    pub fn for_memory(megabytes: u32) -> Result<Self> {
        let name = format!("movie-bag-bench-{}-{megabytes}", std::process::id());
        let mut problem = None;
        for parent in parents()? {
            match Self::make(parent.join(&name), megabytes) {
                Ok(group) => return Ok(group),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(problem.context("there is no control group with a CPU controller")?)
    }

    fn make(path: PathBuf, megabytes: u32) -> Result<Self> {
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

    /// A command that enters the group and then becomes `binary`, still the same process. It is a shell for about a
    /// millisecond before that, without any limit.
    #[must_use]
    pub fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo 0 > "$0" && exec "$1""#]);
        command.arg(self.path.join("cgroup.procs")).arg(binary);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that is not gone yet keeps the group; it is empty then, and harmless.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Where a group may be made: under this process's own, or under the root, which may have the controller when that has
/// not. Version 2 is one hierarchy; version 1 has one for the CPU.
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
    // Elsewhere than in a hierarchy, folders can be made, but limit nothing.
    parents.retain(|parent| parent.join("cgroup.procs").exists());
    parents.dedup();
    Ok(parents)
}
