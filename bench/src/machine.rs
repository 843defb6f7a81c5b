//! Where a run took place. Absolute times mean little without it.

use std::{fmt, fs};

use serde::Serialize;

/// A machine, and how busy it was before the run.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many cores there are.
    pub cores: usize,
    /// The kernel's version.
    pub kernel: String,
    /// The processes that wanted a core during the last minute, on average.
    pub load: f64,
}

impl Machine {
    /// Looks at this machine; what it does not tell is left empty.
    #[must_use]
    pub fn look() -> Self {
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

    /// Whether something else ran, too. The build before a run counts for a minute or two.
    #[must_use]
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
