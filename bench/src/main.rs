//! `cargo bench-functions`: builds every function and what it is compared with, measures them, prints tables, and
//! refreshes `docs/PERFORMANCE.md` with its charts.

use std::{collections::BTreeSet, fs::File, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use bench::{
    binaries::{self, repository},
    charts, cold,
    fixtures::{Fixtures, MOVIES},
    hashing,
    machine::Machine,
    quota::Group,
    report,
    results::{Measured, Results},
    scale,
    subject::{PEERS, Subject},
    system::System,
    warm,
};
use clap::Parser;

/// Between these lines of the document is what a run has found.
const BEGIN: &str = "<!-- Written by `cargo bench-functions` from here … -->\n";
const END: &str = "<!-- … to here. -->\n";

/// Measures cold starts, warm invocations, memory and sizes of every function, beside what it is compared with.
#[derive(Parser)]
struct Arguments {
    /// Cold starts of each program.
    #[arg(long, value_name = "NUMBER", default_value_t = 30)]
    rounds: usize,
    /// Warm invocations of each program; a tenth where each needs a login, a hundredth where each hashes.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    warm: usize,
    /// The bcrypt cost: that of the template, unless you have less time.
    #[arg(long, value_name = "COST", default_value_t = 12, value_parser = clap::value_parser!(u32).range(10..=15))]
    cost: u32,
    /// Measures only these, such as `empty,get-movie`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Also starts each program with the share of a core that these memory sizes have, such as `128,256,512,1769`.
    #[arg(long, value_name = "MEGABYTES", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(128..))]
    cpu: Vec<u32>,
    /// The sizes of the catalogs to measure with; loading the default ones takes a few minutes, once.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_values_t = [1_000, 10_000, 100_000, 1_000_000],
        value_parser = clap::value_parser!(u64).range(scale::LEAST..=10_000_000)
    )]
    movies: Vec<u64>,
    /// Leaves out what is measured with large catalogs; so does `--only` without all functions that this needs.
    #[arg(long)]
    no_scale: bool,
    /// Writes every single measurement into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leaves `docs/` as it is.
    #[arg(long)]
    no_documents: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let machine = Machine::look();
    if machine.is_busy() {
        tell(&format!("this machine is busy (load {:.1}): absolute figures will be too high", machine.load))?;
    }
    let template = System::load_template()?;
    let subjects = chosen(Subject::all(&template, arguments.cost), &arguments.only)?;
    tell("building")?;
    let candidates: Vec<&str> =
        PEERS.into_iter().filter(|peer| subjects.iter().any(|subject| subject.program == *peer)).collect();
    let binaries = binaries::build(&candidates)?;
    let mut measured = Vec::new();
    for subject in &subjects {
        let binary = binaries.get(&subject.program);
        let binary = binary.with_context(|| format!("{} was not built", subject.program))?;
        measured.push(Measured::new(subject, binaries::size(binary)?));
    }
    tell("filling the database")?;
    let mut fixtures = Fixtures::new(System::start(template, binaries).await?, MOVIES).await?;
    tell(&format!("cold starts: {} programs, {} rounds", subjects.len(), arguments.rounds))?;
    cold::measure(&mut fixtures, &subjects, arguments.rounds, &mut measured).await?;
    tell("warm invocations")?;
    warm::measure(&mut fixtures, &subjects, arguments.warm, &mut measured).await?;
    for megabytes in &arguments.cpu {
        tell(&format!("cold starts with the CPU of {megabytes} MB"))?;
        match Group::for_memory(*megabytes) {
            Ok(group) => {
                cold::measure_limited(&mut fixtures, &subjects, *megabytes, &group, &mut measured).await?;
            }
            Err(error) => tell(&format!("skipped: {error:#}"))?,
        }
    }
    let needed = scale::Operation::ALL.map(scale::Operation::program);
    let chosen = |program: &&str| subjects.iter().any(|subject| subject.program == **program);
    let scale = if arguments.no_scale || !needed.iter().all(chosen) {
        Vec::new()
    } else {
        scale::measure(fixtures.system(), &sizes(&arguments.movies), arguments.warm, tell).await?
    };
    let libxcrypt = hashing::libxcrypt(arguments.cost, 5);
    let Arguments { cost, rounds, .. } = arguments;
    let results = Results { machine, cost, rounds, libxcrypt, measured, scale };
    finish(&arguments, &results)
}

/// Prints the tables and writes the files.
fn finish(arguments: &Arguments, results: &Results) -> Result<()> {
    let tables = report::markdown(results);
    write!(std::io::stdout().lock(), "{tables}")?;
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer(file, results)?;
    }
    if arguments.no_documents || !arguments.only.is_empty() {
        return tell("docs/ stays as it is");
    }
    let folder = repository().join("docs");
    let charts = charts::write(results, &folder.join("performance"))?;
    let document = folder.join("PERFORMANCE.md");
    let before = std::fs::read_to_string(&document).context("cannot read docs/PERFORMANCE.md")?;
    std::fs::write(&document, refreshed(&before, &tables)?)?;
    tell(&format!("wrote docs/PERFORMANCE.md and {} in docs/performance", charts.join(", ")))
}

/// The document with other tables.
fn refreshed(document: &str, tables: &str) -> Result<String> {
    let places =
        document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = places.context("docs/PERFORMANCE.md lacks the lines between which tables go")?;
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

/// The sizes from the smallest, each once.
fn sizes(numbers: &[u64]) -> Vec<u64> {
    numbers.iter().copied().collect::<BTreeSet<u64>>().into_iter().collect()
}

/// The subjects with these names; all if there are none.
fn chosen(subjects: Vec<Subject>, names: &[String]) -> Result<Vec<Subject>> {
    for name in names {
        let known = subjects.iter().any(|subject| subject.program == *name);
        ensure!(known, "there is no {name}; there are {}", programs(&subjects));
    }
    let fits = |subject: &Subject| names.is_empty() || names.contains(&subject.program);
    Ok(subjects.into_iter().filter(fits).collect())
}

fn programs(subjects: &[Subject]) -> String {
    // The others are the same programs at another cost.
    let programs = subjects.iter().filter(|subject| subject.name == subject.program);
    programs.map(|subject| subject.program.as_str()).collect::<Vec<_>>().join(", ")
}

/// Says what is going on, apart from the results.
fn tell(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "bench: {text}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_lines_changes() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let new = refreshed(&document, "new").expect("a document");
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}after\n"));
        assert!(refreshed("no such lines", "new").is_err());
    }
}
