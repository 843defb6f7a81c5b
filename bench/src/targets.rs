//! The targets of the functions, most of them as ratios between figures of one run, which hold between machines.

use crate::{
    operation::Operation,
    results::{Cost, Measured, Results, Scaled},
    statistics::{as_f64, median_of, thousands},
    subject::{BARE_BCRYPT, EMPTY, MINIMAL, PEERS, STOCK, UPDATE_NAME},
};

/// The distance of the database at which writes have targets, in milliseconds.
const DISTANCE: u32 = 5;

/// The operations that only read.
const READS: [&str; 3] = ["get-movie", "list-movies", "get-account"];

/// A figure, its limit, and the unit of both: `×` for ratios.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub name: String,
    pub value: f64,
    pub most: f64,
    pub unit: &'static str,
}

impl Target {
    /// Returns whether the target is met.
    pub fn is_met(&self) -> bool {
        self.value <= self.most
    }
}

/// Returns every target whose figure these results have.
pub fn targets(results: &Results) -> Vec<Target> {
    let functions = results.measured.iter().filter(|measured| {
        measured.subject.cost == results.cost && !PEERS.contains(&measured.subject.program.as_str())
    });
    let functions: Vec<&Measured> = functions.collect();
    let mut targets = Targets(Vec::new());
    start_cpu(results, &functions, &mut targets);
    for name in READS {
        let (first, warm) = (results.cold(name, |cold| cold.first), results.warm(name, |warm| warm.wall));
        targets.ratio(format!("{name}: first invocation / warm invocation"), first, warm, 1.5);
    }
    let peak = |program: &str| results.cold(program, |cold| as_f64(cold.peak_bytes));
    for function in functions {
        let program = &function.subject.program;
        targets.ratio(format!("{program}: peak memory / empty"), peak(program), peak(EMPTY), 2.2);
    }
    for name in READS {
        let megabytes = results.program(name).map(|read| as_f64(read.size.zip_bytes) / 1e6);
        targets.add(format!("{name}: ZIP file"), megabytes, 2.2, "MB");
    }
    let warm_cpu = |program| results.warm(program, |warm| warm.cpu);
    let name = "get-movie: warm CPU / the same GetItem with nothing else".to_owned();
    targets.ratio(name, warm_cpu("get-movie"), warm_cpu(MINIMAL), 1.1);
    let hash = results.program(BARE_BCRYPT).and_then(Measured::hash_cpu).map(|hash| hash.median);
    let (first, cost) = (results.cold("login", |cold| cold.first_cpu), results.cost);
    targets.ratio(format!("login: CPU until first response / bcrypt at cost {cost}"), first, hash, 1.03);
    targets.ratio(format!("login: warm CPU / bcrypt at cost {cost}"), warm_cpu("login"), hash, 1.03);
    latency(results, &mut targets);
    let (small, whole) = (results.page_bytes(true), results.page_bytes(false));
    targets.ratio("list-movies: bytes of a page with gzip / without".to_owned(), small, whole, 0.25);
    scale(results, &mut targets);
    targets.0
}

fn start_cpu(results: &Results, functions: &[&Measured], targets: &mut Targets) {
    let empty = results.first_cpu_without_hashes(EMPTY);
    let stock = results.first_cpu_without_hashes(STOCK);
    for function in functions {
        let program = &function.subject.program;
        let cpu = results.first_cpu_without_hashes(program);
        let apart = if function.subject.hashes() > 0 { ", apart from hashing" } else { "" };
        let most = match program.as_str() {
            "get-movie" => 1.9,
            "signup" => 2.5,
            "login" | "change-password" => 3.2,
            _ => 2.3,
        };
        targets.ratio(format!("{program}: CPU until first response{apart} / empty"), cpu, empty, most);
        if program == "get-movie" {
            targets.ratio("get-movie: CPU until first response / stock".to_owned(), cpu, stock, 0.15);
        }
    }
}

/// Compares writes behind a distant database with one request: a write must not wait for more requests than it has to.
fn latency(results: &Results, targets: &mut Targets) {
    let wall = |name| results.latency(name, DISTANCE).map(|wall| wall.median);
    for (name, most) in [("create-movie", 1.3), ("delete-movie", 2.2), (UPDATE_NAME, 2.2)] {
        let target = format!("{name}: p50 with the database {DISTANCE} ms away / minimal");
        targets.ratio(target, wall(name), wall(MINIMAL), most);
    }
}

/// Compares the largest catalog with the smallest.
fn scale(results: &Results, targets: &mut Targets) {
    let sizes = results.scale.iter().map(|scaled| scaled.movies);
    let Some((least, most)) = sizes.clone().min().zip(sizes.max()).filter(|(least, most)| least < most)
    else {
        return;
    };
    let sizes = format!("at {} movies / at {}", thousands(most), thousands(least));
    let find = |operation, movies| {
        results.scale.iter().find(|scaled| scaled.operation == operation && scaled.movies == movies)
    };
    for operation in Operation::PAGES {
        let cpu = |scaled: &Scaled| median_of(scaled.warm.iter().map(|warm| warm.cpu));
        let (large, small) = (find(operation, most).and_then(cpu), find(operation, least).and_then(cpu));
        targets.ratio(format!("{}: CPU {sizes}", operation.name()), large, small, 1.1);
    }
    // The most expensive invocation with the large catalog beside the cheapest with the small one.
    let mut all = |name: &str, figure: fn(&Cost) -> f64| {
        let ratios = Operation::ALL.into_iter().filter_map(|operation| {
            let highest = find(operation, most)?.costs.iter().map(figure).reduce(f64::max)?;
            Some(highest / find(operation, least)?.costs.iter().map(figure).reduce(f64::min)?)
        });
        targets.add(format!("every operation: {name} {sizes}"), ratios.reduce(f64::max), 1.0, "×");
    };
    all("requests", |cost| as_f64(cost.requests));
    all("units", |cost| cost.read_units + cost.write_units);
}

struct Targets(Vec<Target>);

impl Targets {
    fn ratio(&mut self, name: String, figure: Option<f64>, base: Option<f64>, most: f64) {
        self.add(name, figure.zip(base).map(|(figure, base)| figure / base), most, "×");
    }

    /// Adds a target, unless its figure was not measured.
    fn add(&mut self, name: String, value: Option<f64>, most: f64, unit: &'static str) {
        self.0.extend(value.map(|value| Target { name, value, most, unit }));
    }
}

#[cfg(test)]
mod tests;
