//! The machine of a run, without which absolute times mean little.

use std::{fmt, fs};

use serde::Serialize;

/// A machine, and its load average of the minute before the run.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    pub load: f64,
}

impl Machine {
    /// Describes this machine; a property that it does not report is left empty.
    pub fn current() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (information, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
        let name = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: name.map_or(std::env::consts::ARCH, |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        }
    }

    /// Returns whether other programs ran, too. The build before a run counts for a minute or two.
    pub fn is_busy(&self) -> bool {
        self.load > 0.5
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, load } = self;
        write!(formatter, "{processor}, {cores} cores, Linux {kernel}; load before the run {load:.1}")
    }
}
