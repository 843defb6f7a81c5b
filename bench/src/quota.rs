//! The share of a core that a function of some memory size has, as a control group with a CPU quota.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The memory size, in megabytes, at which a function has one whole core:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const WHOLE_CORE: u32 = 1769;

/// In microseconds. Lambda's own period is 20 ms; the kernel refuses quotas below 1 ms, and the quota of 128 MB is just
/// above that.
const PERIOD: u32 = 20_000;

/// A control group of this run. Dropping it removes it; its processes must have ended by then.
pub struct Group {
    /// The memory size whose share of a core it has.
    pub megabytes: u32,
    path: PathBuf,
}

impl Group {
    /// Creates a group with the share of a core that a function with this much memory has. Fails where the root
    /// control group is not writable, such as for most users.
    pub fn for_memory(megabytes: u32) -> Result<Self> {
        // Version 1 has a hierarchy of its own for the CPU, version 2 a single one.
        let (version_1, version_2) = (Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup"));
        let parent = if version_1.exists() { version_1 } else { version_2 };
        let path = parent.join(format!("movie-bag-bench-{}-{megabytes}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let group = Self { megabytes, path };
        let quota = u64::from(PERIOD) * u64::from(megabytes) / u64::from(WHOLE_CORE);
        if parent == version_1 {
            group.set("cpu.cfs_period_us", &PERIOD.to_string())?;
            group.set("cpu.cfs_quota_us", &quota.to_string())?;
        } else {
            group.set("cpu.max", &format!("{quota} {PERIOD}"))?;
        }
        Ok(group)
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Moves a process with all of its threads into the group.
    pub fn add(&self, process: u32) -> Result<()> {
        self.set("cgroup.procs", &process.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that still runs keeps the group. The group is harmless once that process has ended.
        let _ = fs::remove_dir(&self.path);
    }
}
