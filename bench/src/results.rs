//! All measurements of a run, raw.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    binaries::Size,
    machine::Machine,
    operation::Operation,
    process::{Invocation, Moment},
    statistics::{Summary, as_f64, median_of},
    subject::{BARE_BCRYPT, Subject},
};

/// The distances of the database whose latency is measured: the milliseconds by which each request is delayed.
pub const DISTANCES: [u32; 3] = [1, 5, 10];

/// A run.
#[derive(Debug)]
pub struct Results {
    pub machine: Machine,
    /// The bcrypt cost of the subjects that have no other in their name.
    pub cost: u32,
    /// The CPU milliseconds of bcrypt hashes by the system's libxcrypt at `cost`, if it could be called.
    pub libxcrypt: Vec<f64>,
    /// The subjects, in the order of tables.
    pub measured: Vec<Measured>,
    /// The measurements behind a distant database, with `bare-bcrypt` if its hashes are to be subtracted.
    pub latency: Vec<Latency>,
    /// The page of a client that does not take gzip, and of one that does.
    pub pages: Vec<Page>,
    /// The measurements with large catalogs: for each operation every size, from the smallest.
    pub scale: Vec<Scaled>,
}

/// All measurements of one subject.
#[derive(Debug)]
pub struct Measured {
    pub subject: Subject,
    pub size: Size,
    /// Cold starts, each of a process of its own.
    pub cold: Vec<Cold>,
    /// Invocations of one warm process.
    pub warm: Vec<Warm>,
    /// The peak memory of the warm process, in bytes.
    pub warm_peak_bytes: Option<u64>,
    /// Milliseconds of the first invocation, by the memory size in megabytes whose share of a core it had.
    pub limited: BTreeMap<u32, Vec<f64>>,
}

/// A process until its first response. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Cold {
    /// From the spawn to the first request for an event.
    pub ready: f64,
    /// CPU until then.
    pub ready_cpu: f64,
    /// From the event to the response.
    pub first: f64,
    /// CPU from the spawn to the response.
    pub first_cpu: f64,
    /// The peak memory until then, in bytes.
    pub peak_bytes: u64,
    /// CPU of a bare hash within it, if the program reports it.
    pub hash_cpu: Option<f64>,
}

/// One invocation of a warm process. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Warm {
    /// From the event to the response.
    pub wall: f64,
    /// CPU from one request for an event to the next.
    pub cpu: f64,
    /// CPU of a bare hash within it, if the program reports it.
    pub hash_cpu: Option<f64>,
}

/// All measurements of one subject behind a distant database.
#[derive(Debug)]
pub struct Latency {
    pub subject: Subject,
    /// Invocations of one warm process, by the distance.
    pub warm: BTreeMap<u32, Vec<Warm>>,
    /// The distinct numbers of requests of these invocations: a single one if all make as many.
    pub requests: BTreeSet<u64>,
}

/// All measurements of a page of the list.
#[derive(Debug)]
pub struct Page {
    /// Whether the client says that it takes gzip.
    pub takes_gzip: bool,
    /// The body that the client receives.
    pub bytes: u64,
    /// Invocations of one warm process.
    pub warm: Vec<Warm>,
}

/// All measurements of one operation with a catalog of one size.
#[derive(Debug)]
pub struct Scaled {
    pub operation: Operation,
    pub movies: u64,
    /// Invocations of one warm process.
    pub warm: Vec<Warm>,
    /// The distinct costs of these invocations: a single one if all cost the same.
    pub costs: Vec<Cost>,
}

/// What DynamoDB would charge for an invocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub requests: u64,
    pub read_units: f64,
    pub write_units: f64,
}

impl Measured {
    /// Returns a subject of which nothing but the size is measured.
    pub fn new(subject: Subject, size: Size) -> Self {
        let (cold, warm, limited) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { subject, size, cold, warm, warm_peak_bytes: None, limited }
    }

    /// Summarizes one figure of the cold starts.
    pub fn cold(&self, figure: impl Fn(&Cold) -> f64) -> Option<Summary> {
        Summary::of(self.cold.iter().map(figure))
    }

    /// Summarizes one figure of the warm invocations.
    pub fn warm(&self, figure: impl Fn(&Warm) -> f64) -> Option<Summary> {
        Summary::of(self.warm.iter().map(figure))
    }

    /// Summarizes the CPU of the bare hashes within all its invocations.
    pub fn hash_cpu(&self) -> Option<Summary> {
        let cold = self.cold.iter().filter_map(|cold| cold.hash_cpu);
        Summary::of(cold.chain(self.warm.iter().filter_map(|warm| warm.hash_cpu)))
    }
}

impl Latency {
    /// Returns a subject that has not been invoked.
    pub fn new(subject: Subject) -> Self {
        Self { subject, warm: BTreeMap::new(), requests: BTreeSet::new() }
    }
}

impl Cold {
    /// Creates the record of a process from when it asked for its first event and from its first invocation.
    pub fn new(ready: Moment, first: &Invocation, peak_bytes: u64) -> Self {
        Self {
            ready: milliseconds(ready.wall),
            ready_cpu: milliseconds(ready.cpu),
            first: milliseconds(first.wall),
            first_cpu: milliseconds(first.responded.cpu),
            peak_bytes,
            hash_cpu: hash_cpu(first),
        }
    }
}

impl Warm {
    /// Creates the record of an invocation between two requests for an event.
    pub fn new(before: Moment, invocation: &Invocation, after: Moment) -> Self {
        let cpu = milliseconds(after.cpu.saturating_sub(before.cpu));
        Self { wall: milliseconds(invocation.wall), cpu, hash_cpu: hash_cpu(invocation) }
    }
}

impl Results {
    /// Returns the measurements of a program at the run's own cost.
    pub fn program(&self, program: &str) -> Option<&Measured> {
        let is_it = |subject: &Subject| subject.program == program && subject.cost == self.cost;
        self.measured.iter().find(|measured| is_it(&measured.subject))
    }

    /// Returns the median of a figure of a program's cold starts.
    pub fn cold(&self, program: &str, figure: impl Fn(&Cold) -> f64) -> Option<f64> {
        Some(self.program(program)?.cold(figure)?.median)
    }

    /// Returns the median of a figure of a program's warm invocations.
    pub fn warm(&self, program: &str, figure: impl Fn(&Warm) -> f64) -> Option<f64> {
        Some(self.program(program)?.warm(figure)?.median)
    }

    /// Returns the median CPU until the first response, without the hashes in it.
    ///
    /// A hash takes a hundred times as long as the rest, so the variation of the hash would hide the rest. Hence this
    /// takes the lowest cost that was measured, and subtracts the hashes by the CPU of a bare verification in the same
    /// round, when the processor had the same speed.
    pub fn first_cpu_without_hashes(&self, program: &str) -> Option<f64> {
        let at_least_cost = |program: &str| {
            let all = self.measured.iter().filter(|measured| measured.subject.program == program);
            all.min_by_key(|measured| measured.subject.cost)
        };
        let measured = at_least_cost(program)?;
        let hashes = measured.subject.hashes();
        if hashes == 0 {
            return Some(measured.cold(|cold| cold.first_cpu)?.median);
        }
        let rounds = measured.cold.iter().zip(&at_least_cost(BARE_BCRYPT)?.cold);
        median_of(rounds.filter_map(|(cold, bare)| Some(cold.first_cpu - f64::from(hashes) * bare.hash_cpu?)))
    }

    /// Summarizes the milliseconds of a subject's invocations behind a database at this distance. Hashes are subtracted,
    /// each by the CPU of a bare one in the same round.
    pub fn latency(&self, name: &str, distance: u32) -> Option<Summary> {
        let find = |name| self.latency.iter().find(|latency| latency.subject.name == name);
        let (latency, hashes) = find(name).map(|latency| (latency, latency.subject.hashes()))?;
        let warm = latency.warm.get(&distance)?;
        if hashes == 0 {
            return Summary::of(warm.iter().map(|warm| warm.wall));
        }
        let rounds = warm.iter().zip(find(BARE_BCRYPT)?.warm.get(&distance)?);
        Summary::of(rounds.filter_map(|(warm, bare)| Some(warm.wall - f64::from(hashes) * bare.hash_cpu?)))
    }

    /// Returns the bytes of the page of a client that takes gzip, or of one that does not.
    pub fn page_bytes(&self, takes_gzip: bool) -> Option<f64> {
        let page = self.pages.iter().find(|page| page.takes_gzip == takes_gzip)?;
        Some(as_f64(page.bytes))
    }

    /// Returns the number of requests of an invocation that wait for one another: by how many milliseconds it takes longer
    /// for each one that the database is farther away.
    pub fn round_trips(&self, name: &str) -> Option<f64> {
        let (near, far) = (DISTANCES[0], DISTANCES[DISTANCES.len() - 1]);
        let more = self.latency(name, far)?.median - self.latency(name, near)?.median;
        Some(more / f64::from(far - near))
    }
}

/// Returns the CPU milliseconds that `bare-bcrypt` responds, in nanoseconds. No other program responds a number.
fn hash_cpu(invocation: &Invocation) -> Option<f64> {
    let nanoseconds: f64 = invocation.response["body"].as_str()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
