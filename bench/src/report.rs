//! The tables of a run, in Markdown.

use std::fmt::Write as _;

use crate::{
    machine::Machine,
    results::{Cold, Cost, DISTANCES, Measured, Results},
    statistics::{Summary, as_f64, median_of, thousands},
    subject::{BARE_BCRYPT, EMPTY},
    table::Table,
    targets::targets,
};

/// What a reader has to know about every figure.
const NOTES: &str = "\
Every figure is of a real release binary for this machine's processor, in a process of its own that a Lambda Runtime API
on this machine starts and invokes. DynamoDB is the embedded one, behind TLS with RSA-2048 and a chain of three
certificates, on the same machine. Figures are medians, with the 10th and the 90th percentile in brackets; times are in
milliseconds. Subjects take turns. Ratios are roughly comparable between machines; absolute figures are not.

`empty` does nothing. `minimal` makes the request of `get-movie` with the functions' own client and nothing else.
`bound` makes it with the libraries for signing, HTTP and TLS that this client uses, but without the client: the
difference is the price of the SDK. `stock` makes it as the documentation of the SDK shows it, with every default.
`bare-bcrypt` is one verification of a password. `list-movies` reads a page of 20, `update-movie` changes the name,
which is its most expensive change, and `purge-account` is triggered by its schedule and finds no account to delete. A
function trusts as many certificates as it would parse on Lambda: `stock` the roots of Mozilla, which make up a system's
bundle, every other program the five roots of Amazon; the root of the test's own chain is added to each.
";

const COLD: &str = "\
Each cold start is a new process until its first response; the initialization ends when it asks for its first event
(`next`). CPU is of all threads. Its two parts are separate because Lambda limits only the second. The initialization
has full CPU at any memory size: an empty Rust function on arm64 initializes in 13.6 to 13.9 ms at each of them
([lambda-perf](https://github.com/maxday/lambda-perf), 2026-08-22). The invocation has the CPU of the memory size, such
as a fourteenth of a core with 128 MB. *Apart from hashing* is at cost 10, less the CPU of a bare hash in the same
round.";

const LATENCY: &str = "\
Warm invocations behind a database that is this far away: each request is delayed by that time, concurrent ones at the
same time. Round trips are the requests that wait for one another: the milliseconds that an invocation takes longer for
each further millisecond of distance. Requests are counted in front of the database. Functions that hash do so at the
lowest cost that was measured, and their times are less the CPU of bare hashes in the same round.";

const LIMITED: &str = "\
Milliseconds of the first invocation with the share of a core of these memory sizes. A process is limited from when it
asks for its first event, because Lambda does not limit the initialization. The share is a time in every 20 ms: an
invocation within 1.4 ms of CPU is not slowed down even with 128 MB.";

const PAGES: &str = "\
A page of 100 real films that 20 users have added, for a client that sends `accept-encoding: gzip` and for one that does
not. Bytes are of the body that the client receives.";

const SCALE: &str = "\
Warm invocations with catalogs of this many movies. A page has 100; a page of a prefix or of a user has 50. CPU is the
function's own; p50 is the client's wait, with the embedded database. Requests are counted in front of the database, and
units are those that the function reports; where invocations differ, all values are listed. Each creation adds a movie,
so the smallest catalog about doubles.";

/// Returns all tables of a run.
pub fn markdown(results: &Results) -> String {
    let Machine { description, load } = &results.machine;
    let mut text = format!("{description}; load before the run {load:.1}\n\n{NOTES}");
    let sections = [
        ("Cold start", cold(results), COLD),
        ("Warm", warm(results), "CPU is from one request for an event to the next."),
        ("Latency", latency(results), LATENCY),
        ("Compression", pages(results), PAGES),
        ("Size", sizes(results), ""),
        ("Hashing", hashing(results), "CPU of one bcrypt hash."),
        ("With the CPU of a memory size", limited(results), LIMITED),
        ("Scale", scale(results), SCALE),
        ("Targets", met_or_missed(results), "Medians of this run and their limits."),
    ];
    for (title, table, note) in sections.into_iter().filter(|(_, table, _)| !table.is_empty()) {
        let note = if note.is_empty() { String::new() } else { format!("\n{note}\n") };
        // Writing to a string does not fail.
        let _ = write!(text, "\n### {title}\n{note}\n{table}");
    }
    text
}

fn cold(results: &Results) -> Table {
    let empty = results.cold(EMPTY, |cold| cold.first_cpu);
    let mut table = Table::new([
        "",
        "spawn → `next`",
        "CPU of initialization",
        "first invocation",
        "CPU of first invocation",
        "CPU until first response",
        "× empty",
        "apart from hashing",
        "peak MiB",
    ]);
    for measured in results.measured.iter().filter(|measured| !measured.cold.is_empty()) {
        let subject = &measured.subject;
        let figure = |figure: fn(&Cold) -> f64| spread(measured.cold(figure));
        let cpu = measured.cold(|cold| cold.first_cpu);
        let ratio = cpu.zip(empty).map(|(cpu, empty)| format!("{:.2}", cpu.median / empty));
        let apart = results
            .first_cpu_without_hashes(&subject.program)
            .filter(|_| subject.hashes() > 0 && subject.cost == results.cost);
        let peak = measured.cold(|cold| as_f64(cold.peak_bytes));
        table.row([
            subject.name.clone(),
            figure(|cold| cold.ready),
            figure(|cold| cold.ready_cpu),
            figure(|cold| cold.first),
            figure(|cold| cold.first_cpu - cold.ready_cpu),
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
    for measured in &results.measured {
        let Some(wall) = measured.warm(|warm| warm.wall) else { continue };
        table.row([
            measured.subject.name.clone(),
            measured.warm.len().to_string(),
            format!("{:.2}", wall.median),
            format!("{:.2}", wall.highest),
            spread(measured.warm(|warm| warm.cpu)),
            measured.warm_peak_bytes.map(|peak| mebibytes(as_f64(peak))).unwrap_or_default(),
        ]);
    }
    table
}

fn latency(results: &Results) -> Table {
    let columns = |percentile: &str| DISTANCES.map(|distance| format!("{percentile} at {distance} ms"));
    let header = [vec![String::new()], columns("p50").into(), columns("p99").into()];
    let counts = ["round trips", "requests"].map(str::to_owned);
    let mut table = Table::new(header.concat().into_iter().chain(counts));
    for latency in results.latency.iter().filter(|latency| latency.subject.program != BARE_BCRYPT) {
        let name = &latency.subject.name;
        // Without bare hashes there is nothing to subtract.
        let Some(round_trips) = results.round_trips(name) else { continue };
        let figures = |figure: fn(Summary) -> f64| {
            let at = |distance| results.latency(name, distance).map(figure);
            DISTANCES.map(|distance| at(distance).map(|wall| format!("{wall:.2}")).unwrap_or_default())
        };
        let (half, most) = (figures(|wall| wall.median), figures(|wall| wall.highest));
        let requests: Vec<String> = latency.requests.iter().map(ToString::to_string).collect();
        let counts = [format!("{round_trips:.2}"), requests.join(", ")];
        table.row(std::iter::once(name.clone()).chain(half).chain(most).chain(counts));
    }
    table
}

fn pages(results: &Results) -> Table {
    let mut table = Table::new(["", "bytes", "× without gzip", "CPU per invocation", "p50"]);
    let whole = results.page_bytes(false);
    for page in &results.pages {
        let client = if page.takes_gzip { "with gzip" } else { "without gzip" };
        let ratio = results.page_bytes(page.takes_gzip).zip(whole).map(|(bytes, whole)| bytes / whole);
        let wall = median_of(page.warm.iter().map(|warm| warm.wall));
        table.row([
            client.to_owned(),
            thousands(page.bytes),
            ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default(),
            spread(Summary::of(page.warm.iter().map(|warm| warm.cpu))),
            wall.map(|wall| format!("{wall:.2}")).unwrap_or_default(),
        ]);
    }
    table
}

fn sizes(results: &Results) -> Table {
    let empty = results.program(EMPTY).map(|empty| as_f64(empty.size.zip_bytes));
    let mut table = Table::new(["", "binary MB", "ZIP MB", "ZIP × empty"]);
    for measured in results.measured.iter().filter(|measured| measured.subject.cost == results.cost) {
        let zip = as_f64(measured.size.zip_bytes);
        table.row([
            measured.subject.name.clone(),
            format!("{:.2}", as_f64(measured.size.binary_bytes) / 1e6),
            format!("{:.2}", zip / 1e6),
            empty.map(|empty| format!("{:.2}", zip / empty)).unwrap_or_default(),
        ]);
    }
    table
}

fn hashing(results: &Results) -> Table {
    let mut table = Table::new(["", "cost", "CPU"]);
    for bare in results.measured.iter().filter(|measured| measured.subject.program == BARE_BCRYPT) {
        table.row(["crate `bcrypt`".to_owned(), bare.subject.cost.to_string(), spread(bare.hash_cpu())]);
    }
    if let Some(libxcrypt) = Summary::of(results.libxcrypt.iter().copied()) {
        table.row(["libxcrypt".to_owned(), results.cost.to_string(), spread(Some(libxcrypt))]);
    }
    table
}

fn limited(results: &Results) -> Table {
    let sizes = |measured: &Measured| measured.limited.keys().copied().collect::<Vec<u32>>();
    let sizes = results.measured.iter().map(sizes).max_by_key(Vec::len).unwrap_or_default();
    let header = sizes.iter().map(|size| format!("{size} MB"));
    let mut table = Table::new(std::iter::once(String::new()).chain(header));
    for measured in results.measured.iter().filter(|measured| !measured.limited.is_empty()) {
        let figure = |size| median_of(measured.limited.get(size)?.iter().copied());
        let figures =
            sizes.iter().map(|size| figure(size).map(|wall| format!("{wall:.1}")).unwrap_or_default());
        table.row(std::iter::once(measured.subject.name.clone()).chain(figures));
    }
    table
}

fn scale(results: &Results) -> Table {
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
            scaled.operation.name().to_owned(),
            thousands(scaled.movies),
            spread(Summary::of(scaled.warm.iter().map(|warm| warm.cpu))),
            wall.map(|wall| format!("{wall:.2}")).unwrap_or_default(),
            costs(|cost| cost.requests.to_string()),
            costs(|cost| cost.read_units.to_string()),
            costs(|cost| cost.write_units.to_string()),
        ]);
    }
    table
}

fn met_or_missed(results: &Results) -> Table {
    let mut table = Table::new(["", "is", "at most", ""]);
    for target in targets(results) {
        let verdict = if target.is_met() { "met" } else { "missed" };
        let (value, most) =
            (format!("{:.3} {}", target.value, target.unit), format!("{} {}", target.most, target.unit));
        table.row([target.name, value, most, verdict.to_owned()]);
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
