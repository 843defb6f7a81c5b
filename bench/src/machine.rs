//! The machine of a run, without which absolute times mean little.

use std::fs;

/// A machine, and its load average of the minute before the run.
#[derive(Debug)]
pub struct Machine {
    pub description: String,
    pub load: f64,
}

impl Machine {
    /// Describes this machine; a property that it does not report is left empty.
    pub fn current() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (information, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
        let name = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processor = name.map_or(std::env::consts::ARCH, |(_, name)| name);
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let description = format!("{processor}, {cores} cores, Linux {}", kernel.trim());
        let load = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default();
        Self { description, load }
    }

    /// Returns whether other programs ran, too. The build before a run counts for a minute or two.
    pub fn is_busy(&self) -> bool {
        self.load > 0.5
    }
}
