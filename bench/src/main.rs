//! `cargo bench-functions`: builds every function and the programs that they are compared with, measures them, prints
//! tables, and refreshes `docs/PERFORMANCE.md`.
//!
//! A function under test is its real release binary, started as Lambda starts it ([`process`]). It talks TLS to the
//! embedded DynamoDB ([`tls`], [`system`]) about data that earlier requests have made ([`fixtures`]).
//!
//! Each module uses only modules of lower layers:
//!
//! | layer | modules |
//! |---|---|
//! | 7 | [`scale`]: measurements with large catalogs |
//! | 6 | [`latency`], [`pages`]: measurements of warm invocations in other systems; [`open_catalog`] |
//! | 5 | [`cold`], [`warm`]: measurements; [`charts`], [`report`]: their results |
//! | 4 | [`fixtures`]; [`targets`] |
//! | 3 | [`system`]; [`results`] |
//! | 2 | [`loader`], [`process`], [`subject`] |
//! | 1 | processes: [`binaries`], [`hashing`], [`output`], [`quota`], [`runtime_api`], [`tls`], [`trust`] |
//! | 1 | values: [`catalog`], [`films`], [`machine`], [`operation`], [`statistics`], [`table`], [`turns`] |

mod binaries;
mod catalog;
mod charts;
mod cold;
mod films;
mod fixtures;
mod hashing;
mod latency;
mod loader;
mod machine;
mod open_catalog;
mod operation;
mod output;
mod pages;
mod process;
mod quota;
mod report;
mod results;
mod runtime_api;
mod scale;
mod statistics;
mod subject;
mod system;
mod table;
mod targets;
mod tls;
mod trust;
mod turns;
mod warm;

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use binaries::repository;
use fixtures::{Fixtures, MOVIES};
use machine::Machine;
use operation::Operation;
use quota::Group;
use results::{Measured, Results};
use subject::{PEERS, Subject};
use system::System;

/// A run writes its results between these lines of the document.
const BEGIN: &str = "<!-- Written by `cargo bench-functions` from here … -->\n";
const END: &str = "<!-- … to here. -->\n";

/// A first invocation with a share of a core can take long, and fewer of them show the order of magnitude.
const ROUNDS_WITH_LIMIT: usize = 15;

/// Measures cold starts, warm invocations, memory and sizes of every function, beside the programs of bench/candidates.
#[derive(Parser)]
struct Arguments {
    /// Cold starts of each program.
    #[arg(long, value_name = "NUMBER", default_value_t = 30)]
    rounds: usize,
    /// Warm invocations of each program; a tenth where each needs a login, a hundredth where each hashes, and a fifth of
    /// that behind a distant database.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    warm: usize,
    /// The bcrypt cost; the default is that of the template, and a lower cost takes less time.
    #[arg(long, value_name = "COST", default_value_t = 12, value_parser = clap::value_parser!(u32).range(10..=15))]
    cost: u32,
    /// Measures only these programs, such as `empty,get-movie`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Also measures each first invocation with the share of a core that these memory sizes have, such as
    /// `128,256,512,1769`.
    #[arg(long, value_name = "MEGABYTES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(128..))]
    cpu: Vec<u32>,
    /// The sizes of the catalogs to measure with; loading the default ones takes about a minute, once.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_values_t = [1_000, 10_000, 100_000, 1_000_000],
        value_parser = clap::value_parser!(u64).range(scale::LEAST..=10_000_000)
    )]
    movies: Vec<u64>,
    /// Leaves out the measurements with large catalogs; so does `--only` without all functions that they need.
    #[arg(long)]
    no_scale: bool,
    /// Leaves `docs/` unchanged.
    #[arg(long)]
    no_documents: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let machine = Machine::current();
    if machine.is_busy() {
        tell(&format!("this machine is busy (load {:.1}): absolute figures will be too high", machine.load))?;
    }
    let template = local::template::Template::load(repository().join("template.yaml"))?;
    let subjects = chosen(Subject::all(&template, arguments.cost), &arguments.only)?;
    let is_chosen = |program: &str| subjects.iter().any(|subject| subject.program == program);
    tell("building")?;
    let candidates: Vec<&str> = PEERS.into_iter().filter(|peer| is_chosen(peer)).collect();
    let binaries = binaries::build(&candidates)?;
    let mut measured = Vec::new();
    for subject in &subjects {
        let binary = binaries.get(&subject.program);
        let binary = binary.with_context(|| format!("{} was not built", subject.program))?;
        measured.push(Measured::new(subject.clone(), binaries::size(binary)?));
    }
    tell("filling the database")?;
    let mut fixtures = Fixtures::new(System::start(template, &binaries).await?, MOVIES).await?;
    tell(&format!("cold starts: {} programs, {} rounds", subjects.len(), arguments.rounds))?;
    cold::measure(&mut fixtures, &subjects, arguments.rounds, None, &mut measured).await?;
    tell("warm invocations")?;
    warm::measure(&mut fixtures, &subjects, arguments.warm, &mut measured).await?;
    for megabytes in &arguments.cpu {
        tell(&format!("first invocations with the CPU of {megabytes} MB"))?;
        match Group::for_memory(*megabytes) {
            Ok(group) => {
                cold::measure(&mut fixtures, &subjects, ROUNDS_WITH_LIMIT, Some(&group), &mut measured)
                    .await?;
            }
            Err(error) => tell(&format!("skipped: {error:#}"))?,
        }
    }
    tell("warm invocations behind a distant database")?;
    let latency = latency::measure(&mut fixtures, &subjects, arguments.warm).await?;
    let mut pages = Vec::new();
    if is_chosen(Operation::FirstPage.program()) {
        tell("pages with and without gzip")?;
        pages = pages::measure(&fixtures.system, arguments.warm).await?;
    }
    let mut scale = Vec::new();
    if !arguments.no_scale && Operation::ALL.into_iter().all(|operation| is_chosen(operation.program())) {
        let sizes = arguments.movies.iter().copied().collect();
        scale = scale::measure(&fixtures.system, &sizes, arguments.warm, tell).await?;
    }
    let libxcrypt = hashing::libxcrypt(arguments.cost, 5);
    let results = Results { machine, cost: arguments.cost, libxcrypt, measured, latency, pages, scale };
    finish(&arguments, &results)
}

/// Prints the tables, and writes them and the charts into the document.
fn finish(arguments: &Arguments, results: &Results) -> Result<()> {
    let tables = report::markdown(results);
    write!(std::io::stdout().lock(), "{tables}")?;
    if arguments.no_documents || !arguments.only.is_empty() {
        return tell("left docs/ unchanged");
    }
    let document = repository().join("docs/PERFORMANCE.md");
    let before = std::fs::read_to_string(&document).context("cannot read docs/PERFORMANCE.md")?;
    std::fs::write(&document, refreshed(&before, &(charts::markdown(results) + &tables))?)?;
    tell("wrote docs/PERFORMANCE.md")
}

/// Returns the document with these tables between [`BEGIN`] and [`END`].
fn refreshed(document: &str, tables: &str) -> Result<String> {
    let places =
        document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = places.context("docs/PERFORMANCE.md lacks the lines between which tables go")?;
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

/// Returns the subjects with these names; all if there are none.
fn chosen(subjects: Vec<Subject>, names: &[String]) -> Result<Vec<Subject>> {
    for name in names {
        // The other subjects are the same programs at another cost.
        let programs = subjects.iter().filter(|subject| subject.name == subject.program);
        let programs: Vec<&str> = programs.map(|subject| subject.program.as_str()).collect();
        ensure!(programs.contains(&name.as_str()), "there is no {name}; there are {}", programs.join(", "));
    }
    let fits = |subject: &Subject| names.is_empty() || names.contains(&subject.program);
    Ok(subjects.into_iter().filter(fits).collect())
}

/// Reports progress on standard error, apart from the results.
fn tell(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "bench: {text}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_lines_changes() {
        let new = refreshed(&format!("before\n{BEGIN}old\n{END}after\n"), "new").expect("a document");
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}after\n"));
        assert!(refreshed("no such lines", "new").is_err());
    }

    #[test]
    fn the_document_has_the_lines_between_which_tables_go() {
        let document = repository().join("docs/PERFORMANCE.md");
        let document = std::fs::read_to_string(document).expect("a document");
        assert!(refreshed(&document, "new").is_ok());
    }
}
