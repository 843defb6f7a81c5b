//! The tables, in Markdown.

use std::fmt::Write as _;

use indicatif::HumanCount;

use crate::{
    builds::{Build, FUNCTIONS},
    reach::{bytes, targets},
    results::{Cold, Cost, Measured, Results},
    statistics::{Summary, median_of},
    subject::{BARE_BCRYPT, EMPTY},
    table::Table,
};

/// What a reader has to know about every figure.
const NOTES: &str = "\
Every figure is of a real release binary for this machine's processor, in a process of its own that a Lambda Runtime API
on this machine starts and invokes. DynamoDB is the embedded one, behind TLS with RSA-2048 and a chain of three
certificates, on the same machine. Medians, and in brackets what lies between the 10th and the 90th of a hundred; times
are in milliseconds. Subjects take turns. Ratios hold between machines, absolute figures do not.

`empty` does nothing. `minimal` makes the request of `get-movie` with the functions' own client and nothing else. `stock`
makes it as the documentation of the SDK shows it, with every default. `bare-bcrypt` is one verification of a password.
`list-movies` reads a page of 20, `update-movie` changes the name, which is its dearest change, and `purge-account` is
woken by its schedule and finds nobody. A function trusts as many certificates as it would parse on Lambda: `stock` the
system's whole bundle, everything else the five roots of Amazon; the root of the test's own chain comes on top.
";

/// All tables of a run.
#[must_use]
pub fn markdown(results: &Results) -> String {
    let mut text = format!("{}\n\n{NOTES}", results.machine);
    let mut section = |title: &str, table: &Table, note: &str| {
        if !table.is_empty() {
            let note = if note.is_empty() { String::new() } else { format!("\n{note}\n") };
            // Writing to a string does not fail.
            let _ = write!(text, "\n### {title}\n{note}\n{table}");
        }
    };
    let starts = "Cold starts: a new process each time, until its first response. CPU is of all threads; on a function with \
        128 MB, which has a fourteenth of a core, each millisecond of it takes about fourteen. *Apart from hashing* is at cost \
        10, less what a bare hash took in the same round.";
    section("Cold start", &cold(results), starts);
    section("Warm", &warm(results), "CPU is from one request for an event to the next.");
    section("Size", &sizes(results), "");
    section("Hashing", &hashing(results), "CPU of one bcrypt hash.");
    let limited = "From spawn to first response with the share of a core of these memory sizes. A shell that enters the \
        control group, without its limit, is about a millisecond of each.";
    section("With the CPU of a memory size", &with_limit(results), limited);
    let scale = "Warm invocations with catalogs of so many movies; a page has 100. CPU is the function's own; p50 is what a \
        client waits, the embedded database included. Requests are counted in front of the database, and units are those \
        that the function reports itself; where invocations differ, all values are there. Each creation adds \
        a movie, so that the smallest catalog about doubles.";
    section("Scale", &scaled(results), scale);
    section("Reach", &reach(results), "Medians of this run beside what they should be at most.");
    text
}

/// The table of the builds; `None` without any.
#[must_use]
pub fn builds(results: &Results) -> Option<String> {
    let builds = &results.builds;
    if builds.is_empty() {
        return None;
    }
    let header = builds.iter().map(|build| format!("{} LTO", build.lto));
    let mut table = Table::with_header(std::iter::once(String::new()).chain(header));
    let mut row = |name: String, figure: &dyn Fn(&Build) -> String| {
        table.row(std::iter::once(name).chain(builds.iter().map(figure)));
    };
    row("build from clean: s".to_owned(), &|build| format!("{:.0}", build.wall));
    row("CPU of it: s".to_owned(), &|build| format!("{:.0}", build.cpu));
    row("all binaries: MB".to_owned(), &|build| format!("{:.2}", bytes(build.binary_bytes) / 1e6));
    row("all ZIP files: MB".to_owned(), &|build| format!("{:.2}", bytes(build.zip_bytes) / 1e6));
    for (number, name) in FUNCTIONS.into_iter().enumerate() {
        row(format!("{name}: CPU until first response"), &|build| {
            spread(build.measured.get(number).and_then(|measured| measured.cold(|cold| cold.first_cpu)))
        });
        row(format!("{name}: CPU per warm invocation"), &|build| {
            spread(build.measured.get(number).and_then(|measured| measured.warm(|warm| warm.cpu)))
        });
    }
    Some(format!("{}\n\n{table}", results.machine))
}

fn cold(results: &Results) -> Table {
    let empty = results.program(EMPTY).and_then(|empty| empty.cold(|cold| cold.first_cpu));
    let mut table = Table::new([
        "",
        "spawn → `next`",
        "first invocation",
        "CPU until `next`",
        "CPU until first response",
        "× empty",
        "apart from hashing",
        "peak MiB",
    ]);
    for measured in results.measured.iter().filter(|measured| !measured.cold.is_empty()) {
        let figure = |figure: fn(&Cold) -> f64| spread(measured.cold(figure));
        let cpu = measured.cold(|cold| cold.first_cpu);
        let ratio = cpu.zip(empty).map(|(cpu, empty)| format!("{:.2}", cpu.median / empty.median));
        let apart = results
            .first_cpu_without_hashes(&measured.program)
            .filter(|_| measured.hashes > 0 && measured.cost == results.cost);
        let peak = measured.cold(|cold| bytes(cold.peak_bytes));
        table.row([
            measured.name.clone(),
            figure(|cold| cold.ready),
            figure(|cold| cold.first),
            figure(|cold| cold.ready_cpu),
            spread(cpu),
            ratio.unwrap_or_default(),
            apart.map(|apart| format!("{apart:.2}")).unwrap_or_default(),
            peak.map(|peak| mebibytes(peak.median)).unwrap_or_default(),
        ]);
    }
    table
}

fn warm(results: &Results) -> Table {
    let mut table = Table::new(["", "invocations", "p50", "p99", "CPU per invocation", "peak MiB"]);
    for measured in results.measured.iter().filter(|measured| !measured.warm.is_empty()) {
        let Some(wall) = measured.warm(|warm| warm.wall) else { continue };
        table.row([
            measured.name.clone(),
            measured.warm.len().to_string(),
            format!("{:.2}", wall.median),
            format!("{:.2}", wall.highest),
            spread(measured.warm(|warm| warm.cpu)),
            measured.warm_peak_bytes.map(|peak| mebibytes(bytes(peak))).unwrap_or_default(),
        ]);
    }
    table
}

fn sizes(results: &Results) -> Table {
    let empty = results.program(EMPTY).map(|empty| bytes(empty.size.zip_bytes));
    let mut table = Table::new(["", "binary MB", "ZIP MB", "ZIP × empty"]);
    for measured in results.measured.iter().filter(|measured| measured.cost == results.cost) {
        let zip = bytes(measured.size.zip_bytes);
        table.row([
            measured.name.clone(),
            format!("{:.2}", bytes(measured.size.binary_bytes) / 1e6),
            format!("{:.2}", zip / 1e6),
            empty.map(|empty| format!("{:.2}", zip / empty)).unwrap_or_default(),
        ]);
    }
    table
}

fn hashing(results: &Results) -> Table {
    let mut table = Table::new(["", "cost", "CPU"]);
    let bare = results.measured.iter().filter(|measured| measured.program == BARE_BCRYPT);
    for measured in bare {
        let cold = measured.cold.iter().filter_map(|cold| cold.hash_cpu);
        let summary = Summary::of(cold.chain(measured.warm.iter().filter_map(|warm| warm.hash_cpu)));
        table.row(["crate `bcrypt`".to_owned(), measured.cost.to_string(), spread(summary)]);
    }
    if let Some(libxcrypt) = Summary::of(results.libxcrypt.iter().copied()) {
        table.row(["libxcrypt".to_owned(), results.cost.to_string(), spread(Some(libxcrypt))]);
    }
    table
}

fn with_limit(results: &Results) -> Table {
    let sizes: Vec<u32> =
        results.measured.iter().max_by_key(|measured| measured.limited.len()).map_or(Vec::new(), columns);
    let header: Vec<String> = sizes.iter().map(|size| format!("{size} MB")).collect();
    let mut table = Table::with_header(std::iter::once(String::new()).chain(header));
    for measured in results.measured.iter().filter(|measured| !measured.limited.is_empty()) {
        let figure = |size| median_of(measured.limited.get(size)?.iter().copied());
        let figures =
            sizes.iter().map(|size| figure(size).map(|wall| format!("{wall:.1}")).unwrap_or_default());
        table.row(std::iter::once(measured.name.clone()).chain(figures));
    }
    table
}

fn columns(measured: &Measured) -> Vec<u32> {
    measured.limited.keys().copied().collect()
}

fn scaled(results: &Results) -> Table {
    let header = ["", "movies", "CPU per invocation", "p50", "requests", "read units", "write units"];
    let mut table = Table::new(header);
    for scaled in &results.scale {
        let costs = |figure: fn(&Cost) -> String| {
            let mut figures: Vec<String> = scaled.costs.iter().map(figure).collect();
            figures.dedup();
            figures.join(", ")
        };
        let wall = median_of(scaled.warm.iter().map(|warm| warm.wall));
        table.row([
            scaled.operation.to_owned(),
            HumanCount(scaled.movies).to_string(),
            spread(Summary::of(scaled.warm.iter().map(|warm| warm.cpu))),
            wall.map(|wall| format!("{wall:.2}")).unwrap_or_default(),
            costs(|cost| cost.requests.to_string()),
            costs(|cost| cost.read_units.to_string()),
            costs(|cost| cost.write_units.to_string()),
        ]);
    }
    table
}

fn reach(results: &Results) -> Table {
    let mut table = Table::new(["", "is", "at most", ""]);
    for target in targets(results) {
        let verdict = if target.is_met() { "met" } else { "missed" };
        let (value, most) = (target.value, target.most);
        table.row([
            target.name.clone(),
            format!("{value:.3} {}", target.unit),
            format!("{most} {}", target.unit),
            verdict.to_owned(),
        ]);
    }
    table
}

fn spread(summary: Option<Summary>) -> String {
    summary.map_or_else(String::new, |Summary { low, median, high, .. }| {
        format!("{median:.2} ({low:.2}–{high:.2})")
    })
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1024.0 / 1024.0)
}
