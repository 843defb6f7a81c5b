//! Everything that was measured, raw. `--json` writes it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    binaries::Size,
    builds::Build,
    machine::Machine,
    process::{Invocation, Moment},
    statistics::{Summary, median_of},
    subject::Subject,
};

/// A run.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Where it ran.
    pub machine: Machine,
    /// The bcrypt cost of what has no other in its name.
    pub cost: u32,
    /// The cold starts of each subject.
    pub rounds: usize,
    /// One bcrypt hash by the system's libxcrypt at `cost`, in CPU milliseconds, if it could be called.
    pub libxcrypt: Vec<f64>,
    /// What was measured, in the order of tables.
    pub measured: Vec<Measured>,
    /// What was measured with large catalogs: for each operation every size, from the smallest.
    pub scale: Vec<Scaled>,
    /// Builds with several kinds of link-time optimisation.
    pub builds: Vec<Build>,
}

/// All measurements of one subject.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// What it is called.
    pub name: String,
    /// Which binary it is.
    pub program: String,
    /// The bcrypt cost that it ran with.
    pub cost: u32,
    /// How many hashes of that cost an invocation computes.
    pub hashes: u32,
    /// How big its binary is.
    pub size: Size,
    /// One process each.
    pub cold: Vec<Cold>,
    /// One invocation each, all of one process that was warm.
    pub warm: Vec<Warm>,
    /// The most memory that the warm process had, in bytes.
    pub warm_peak_bytes: Option<u64>,
    /// Milliseconds from spawn to first response, by the memory size in megabytes whose share of a core it had.
    pub limited: BTreeMap<u32, Vec<f64>>,
}

/// A process until its first response. Times are in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Cold {
    /// From spawn to the first request for an event.
    pub ready: f64,
    /// CPU until then.
    pub ready_cpu: f64,
    /// From the event to the response.
    pub first: f64,
    /// CPU from the spawn to the response.
    pub first_cpu: f64,
    /// The most memory until then, in bytes.
    pub peak_bytes: u64,
    /// CPU of a bare hash within it, if the program tells.
    pub hash_cpu: Option<f64>,
}

/// One invocation of a warm process. Times are in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Warm {
    /// From the event to the response.
    pub wall: f64,
    /// CPU from one request for an event to the next.
    pub cpu: f64,
    /// CPU of a bare hash within it, if the program tells.
    pub hash_cpu: Option<f64>,
}

/// All measurements of one operation with a catalog of one size.
#[derive(Debug, Serialize)]
pub struct Scaled {
    /// What it is called.
    pub operation: &'static str,
    /// How many movies the catalog has.
    pub movies: u64,
    /// One invocation each, all of one process that was warm.
    pub warm: Vec<Warm>,
    /// What invocations cost, each sum once: a single one if all cost the same.
    pub costs: Vec<Cost>,
}

/// What DynamoDB would charge for an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// How many requests the function made.
    pub requests: u64,
    /// The read units that they consumed.
    pub read_units: f64,
    /// The write units that they consumed.
    pub write_units: f64,
}

impl Scaled {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(operation: &'static str, movies: u64) -> Self {
        Self { operation, movies, warm: Vec::new(), costs: Vec::new() }
    }
}

impl Measured {
    /// Nothing measured yet but the size.
    #[must_use]
    pub fn new(subject: &Subject, size: Size) -> Self {
        Self {
            name: subject.name.clone(),
            program: subject.program.clone(),
            cost: subject.cost,
            hashes: subject.hashes(),
            size,
            cold: Vec::new(),
            warm: Vec::new(),
            warm_peak_bytes: None,
            limited: BTreeMap::new(),
        }
    }

    /// Sums up one figure of the cold starts.
    pub fn cold(&self, figure: impl Fn(&Cold) -> f64) -> Option<Summary> {
        Summary::of(self.cold.iter().map(figure))
    }

    /// Sums up one figure of the warm invocations.
    pub fn warm(&self, figure: impl Fn(&Warm) -> f64) -> Option<Summary> {
        Summary::of(self.warm.iter().map(figure))
    }
}

impl Cold {
    /// What a process was until its first response.
    #[must_use]
    pub fn new(ready: Moment, first: &Invocation, peak_bytes: u64) -> Self {
        Self {
            ready: milliseconds(ready.wall),
            ready_cpu: milliseconds(ready.cpu),
            first: milliseconds(first.wall),
            first_cpu: milliseconds(first.answered.cpu),
            peak_bytes,
            hash_cpu: hash_cpu(first),
        }
    }
}

impl Warm {
    /// What an invocation was, between two requests for an event.
    #[must_use]
    pub fn new(before: Moment, invocation: &Invocation, after: Moment) -> Self {
        let cpu = milliseconds(after.cpu.saturating_sub(before.cpu));
        Self { wall: milliseconds(invocation.wall), cpu, hash_cpu: hash_cpu(invocation) }
    }
}

impl Results {
    /// The program at the run's own cost.
    #[must_use]
    pub fn program(&self, program: &str) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.program == program && measured.cost == self.cost)
    }

    /// The median CPU until the first response, without the hashes in it.
    ///
    /// A hash takes a hundred times what the rest takes, so its own variation would hide the rest. Hence this looks at
    /// the least cost that there is, and takes off the hashes that a bare verification took in the same round, when the
    /// processor was as quick.
    #[must_use]
    pub fn first_cpu_without_hashes(&self, program: &str) -> Option<f64> {
        let of = |program: &str| {
            let all = self.measured.iter().filter(|measured| measured.program == program);
            all.min_by_key(|measured| measured.cost)
        };
        let measured = of(program)?;
        if measured.hashes == 0 {
            return median_of(measured.cold.iter().map(|cold| cold.first_cpu));
        }
        let bare = of(crate::subject::BARE_BCRYPT)?;
        let rounds = measured.cold.iter().zip(&bare.cold);
        median_of(
            rounds.filter_map(|(cold, bare)| {
                Some(cold.first_cpu - f64::from(measured.hashes) * bare.hash_cpu?)
            }),
        )
    }
}

/// What `bare-bcrypt` answers: nanoseconds of CPU. No other program answers with a number.
fn hash_cpu(invocation: &Invocation) -> Option<f64> {
    let nanoseconds: f64 = invocation.answer["body"].as_str()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
