//! What link-time optimisation takes and gives: builds of all functions from clean, and how two functions do then.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use serde::Serialize;

use crate::{
    binaries::{self, Binaries, repository},
    results::Measured,
    subject::Subject,
};

/// The functions that are measured with either: the hottest ones.
pub const FUNCTIONS: [&str; 2] = ["get-movie", "list-movies"];

/// A build of all functions.
#[derive(Debug, Serialize)]
pub struct Build {
    /// How it optimised when it linked: `fat` or `thin`.
    pub lto: String,
    /// How long it took, in seconds.
    pub wall: f64,
    /// CPU of cargo and everything that it started, in seconds.
    pub cpu: f64,
    /// All executables together, in bytes.
    pub binary_bytes: u64,
    /// All ZIP files together, in bytes.
    pub zip_bytes: u64,
    /// Those of [`FUNCTIONS`].
    pub measured: Vec<Measured>,
}

impl Build {
    /// The programs of this build that are measured. They are named after it.
    #[must_use]
    pub fn subjects(&self) -> [Subject; FUNCTIONS.len()] {
        FUNCTIONS.map(|function| Subject::build(&program(function, &self.lto), function))
    }
}

/// Builds all functions from clean, once with each kind of link-time optimisation, and adds those that are to be
/// measured to `binaries`.
pub fn build(kinds: &[String], binaries: &mut Binaries) -> Result<Vec<Build>> {
    delete()?;
    binaries::fetch()?;
    kinds.iter().map(|lto| build_one(lto, binaries)).collect()
}

/// Deletes what was built.
pub fn delete() -> Result<()> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot delete {}", folder.display()))?;
    }
    Ok(())
}

fn build_one(lto: &str, binaries: &mut Binaries) -> Result<Build> {
    let target = folder().join(lto);
    let (started, before) = (Instant::now(), children_cpu()?);
    let executables = binaries::build_with(lto, &target)?;
    let (wall, cpu) = (started.elapsed(), children_cpu()?.saturating_sub(before));
    let mut build = Build {
        lto: lto.to_owned(),
        wall: wall.as_secs_f64(),
        cpu: cpu.as_secs_f64(),
        binary_bytes: 0,
        zip_bytes: 0,
        measured: Vec::new(),
    };
    for binary in executables.values() {
        let size = binaries::size(binary)?;
        build.binary_bytes += size.binary_bytes;
        build.zip_bytes += size.zip_bytes;
    }
    for function in FUNCTIONS {
        let binary = executables.get(function).with_context(|| format!("{function} was not built"))?;
        binaries.insert(program(function, lto), binary.clone());
    }
    Ok(build)
}

fn program(function: &str, lto: &str) -> String {
    format!("{function}-{lto}")
}

fn folder() -> PathBuf {
    repository().join("target").join("builds")
}

/// What the children that have ended have spent so far, with those that they have waited for themselves.
fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let duration = |time: TimeVal| -> Result<Duration> {
        Ok(Duration::new(time.tv_sec().try_into()?, 1000 * u32::try_from(time.tv_usec())?))
    };
    Ok(duration(usage.user_time())? + duration(usage.system_time())?)
}
