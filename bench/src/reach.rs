//! What the functions are meant to reach, as ratios of figures of one run: those hold between machines.

use indicatif::HumanCount;

use crate::{
    results::{Cold, Cost, Measured, Results, Scaled},
    scale::Operation,
    statistics::median_of,
    subject::{BARE_BCRYPT, EMPTY, MINIMAL, PEERS, STOCK},
};

/// The operations that only read.
const READS: [&str; 3] = ["get-movie", "list-movies", "get-account"];

/// A figure beside what it should be at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// What is compared.
    pub name: String,
    /// What it is.
    pub value: f64,
    /// What it should be at most.
    pub most: f64,
    /// Behind both figures: `×` for ratios, or a unit.
    pub unit: &'static str,
}

impl Target {
    /// Whether it is reached.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.value <= self.most
    }
}

/// Every target that these results tell something about.
#[must_use]
pub fn targets(results: &Results) -> Vec<Target> {
    let functions: Vec<&Measured> = results
        .measured
        .iter()
        .filter(|measured| measured.cost == results.cost && !PEERS.contains(&measured.program.as_str()))
        .collect();
    let mut targets = Targets(Vec::new());
    start_cpu(results, &functions, &mut targets);
    for name in READS {
        let read = results.program(name);
        let first = read.and_then(|read| median_of(read.cold.iter().map(|cold| cold.first)));
        let warm = read.and_then(|read| median_of(read.warm.iter().map(|warm| warm.wall)));
        targets.ratio(format!("{name}: first invocation / warm invocation"), first, warm, 1.5);
    }
    let peak = |cold: &Cold| bytes(cold.peak_bytes);
    let of_empty = results.program(EMPTY).and_then(|empty| empty.cold(peak));
    for function in &functions {
        let name = format!("{}: peak memory / empty", function.name);
        let of_function = function.cold(peak);
        targets.ratio(name, of_function.map(|peak| peak.median), of_empty.map(|peak| peak.median), 2.2);
    }
    for read in READS.into_iter().filter_map(|name| results.program(name)) {
        let megabytes = bytes(read.size.zip_bytes) / 1e6;
        targets.add(format!("{}: ZIP file", read.name), Some(megabytes), 2.5, "MB");
    }
    let warm_cpu = |name| median_of(results.program(name)?.warm.iter().map(|warm| warm.cpu));
    let name = "get-movie: warm CPU / the same GetItem with nothing else".to_owned();
    targets.ratio(name, warm_cpu("get-movie"), warm_cpu(MINIMAL), 1.1);
    hashing(results, &mut targets);
    scale(results, &mut targets);
    targets.0
}

fn start_cpu(results: &Results, functions: &[&Measured], targets: &mut Targets) {
    let empty = results.first_cpu_without_hashes(EMPTY);
    let stock = results.first_cpu_without_hashes(STOCK);
    for function in functions {
        let cpu = results.first_cpu_without_hashes(&function.program);
        let apart = if function.hashes > 0 { ", apart from hashing" } else { "" };
        let most = if function.program == "get-movie" { 2.0 } else { 2.5 };
        let name = format!("{}: CPU until first response{apart} / empty", function.name);
        targets.ratio(name, cpu, empty, most);
        if function.program == "get-movie" {
            targets.ratio("get-movie: CPU until first response / stock".to_owned(), cpu, stock, 0.15);
        }
    }
}

fn hashing(results: &Results, targets: &mut Targets) {
    let bare = results.program(BARE_BCRYPT).and_then(|bare| {
        let cold = bare.cold.iter().filter_map(|cold| cold.hash_cpu);
        median_of(cold.chain(bare.warm.iter().filter_map(|warm| warm.hash_cpu)))
    });
    let login = results.program("login");
    let first = login.and_then(|login| median_of(login.cold.iter().map(|cold| cold.first_cpu)));
    let warm = login.and_then(|login| median_of(login.warm.iter().map(|warm| warm.cpu)));
    let cost = results.cost;
    targets.ratio(format!("login: CPU until first response / bcrypt at cost {cost}"), first, bare, 1.03);
    targets.ratio(format!("login: warm CPU / bcrypt at cost {cost}"), warm, bare, 1.03);
}

/// How the largest catalog compares with the smallest.
fn scale(results: &Results, targets: &mut Targets) {
    let sizes = results.scale.iter().map(|scaled| scaled.movies);
    let Some((least, most)) = sizes.clone().min().zip(sizes.max()).filter(|(least, most)| least < most)
    else {
        return;
    };
    let sizes = format!("at {} movies / at {}", HumanCount(most), HumanCount(least));
    let pairs = |operation: Operation| {
        let of = |movies| {
            let mut all = results.scale.iter();
            all.find(|scaled| scaled.operation == operation.name() && scaled.movies == movies)
        };
        of(most).zip(of(least))
    };
    for operation in [Operation::FirstPage, Operation::MiddlePage] {
        let cpu = |scaled: &Scaled| median_of(scaled.warm.iter().map(|warm| warm.cpu));
        let (large, small) = pairs(operation).map_or((None, None), |(large, small)| (cpu(large), cpu(small)));
        targets.ratio(format!("{}: CPU {sizes}", operation.name()), large, small, 1.1);
    }
    // The dearest invocation with the large one beside the cheapest with the small one, whatever the operation.
    let mut all = |name: &str, figure: fn(&Cost) -> f64| {
        let ratios = Operation::ALL.into_iter().filter_map(pairs).filter_map(|(large, small)| {
            let dearest = large.costs.iter().map(figure).reduce(f64::max)?;
            Some(dearest / small.costs.iter().map(figure).reduce(f64::min)?)
        });
        targets.add(format!("every operation: {name} {sizes}"), ratios.reduce(f64::max), 1.0, "×");
    };
    all("requests", |cost| bytes(cost.requests));
    all("units", |cost| cost.read_units + cost.write_units);
}

struct Targets(Vec<Target>);

impl Targets {
    fn ratio(&mut self, name: String, figure: Option<f64>, base: Option<f64>, most: f64) {
        self.add(name, figure.zip(base).map(|(figure, base)| figure / base), most, "×");
    }

    /// What was not measured is left out.
    fn add(&mut self, name: String, value: Option<f64>, most: f64, unit: &'static str) {
        self.0.extend(value.map(|value| Target { name, value, most, unit }));
    }
}

/// Exact up to petabytes.
#[expect(clippy::cast_precision_loss, reason = "no program has 2⁵³ bytes")]
pub(crate) fn bytes(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
