//! `cargo bench-functions`: builds every function and what it is compared with, measures them, prints tables, and
//! refreshes `docs/PERFORMANCE.md` with its charts.

use std::{collections::BTreeSet, fs::File, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use bench::{
    binaries::{self, repository},
    builds::{self, Build},
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
/// And between these, what a run with `--builds` has found.
const BEGIN_BUILDS: &str = "<!-- Written by `cargo bench-functions --builds` from here … -->\n";
const END_BUILDS: &str = "<!-- … and to here. -->\n";

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
    /// The sizes of the catalogs to measure with; loading the default ones takes about a minute, once.
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
    /// Also builds all functions from clean with fat and with thin link-time optimisation, or with the given kinds of it,
    /// and measures two of them with each. It takes as long as these builds.
    #[arg(
        long,
        value_name = "KINDS",
        value_delimiter = ',',
        num_args = 0..,
        require_equals = true,
        default_missing_values = ["fat", "thin"],
        value_parser = ["fat", "thin"]
    )]
    builds: Vec<String>,
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
    let mut subjects = chosen(Subject::all(&template, arguments.cost), &arguments.only)?;
    tell("building")?;
    let candidates: Vec<&str> =
        PEERS.into_iter().filter(|peer| subjects.iter().any(|subject| subject.program == *peer)).collect();
    let mut binaries = binaries::build(&candidates)?;
    let mut builds = Vec::new();
    if !arguments.builds.is_empty() {
        tell(&format!("building from clean with {} LTO", arguments.builds.join(" and ")))?;
        builds = builds::build(&arguments.builds, &mut binaries)?;
    }
    // They take turns with the others.
    let own = subjects.len();
    subjects.extend(builds.iter().flat_map(Build::subjects));
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
    let is_there = |program: &&str| subjects.iter().any(|subject| subject.program == **program);
    let scale = if arguments.no_scale || !needed.iter().all(is_there) {
        Vec::new()
    } else {
        scale::measure(fixtures.system(), &sizes(&arguments.movies), arguments.warm, tell).await?
    };
    let mut of_builds = measured.split_off(own).into_iter();
    for build in &mut builds {
        build.measured = of_builds.by_ref().take(build.subjects().len()).collect();
    }
    builds::delete()?;
    let libxcrypt = hashing::libxcrypt(arguments.cost, 5);
    let Arguments { cost, rounds, .. } = arguments;
    let results = Results { machine, cost, rounds, libxcrypt, measured, scale, builds };
    finish(&arguments, &results)
}

/// Prints the tables and writes the files.
fn finish(arguments: &Arguments, results: &Results) -> Result<()> {
    let tables = report::markdown(results);
    write!(std::io::stdout().lock(), "{tables}")?;
    let builds = report::builds(results);
    if let Some(table) = &builds {
        write!(std::io::stdout().lock(), "\n### Builds\n\n{table}")?;
    }
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
    let mut after = refreshed(&before, &tables, BEGIN, END)?;
    if let Some(table) = &builds {
        after = refreshed(&after, table, BEGIN_BUILDS, END_BUILDS)?;
    }
    std::fs::write(&document, after)?;
    tell(&format!("wrote docs/PERFORMANCE.md and {} in docs/performance", charts.join(", ")))
}

/// The document with other tables between these lines.
fn refreshed(document: &str, tables: &str, begin: &str, end: &str) -> Result<String> {
    let places =
        document.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = places.context("docs/PERFORMANCE.md lacks the lines between which tables go")?;
    Ok(format!("{before}{begin}\n{tables}\n{end}{after}"))
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
        let document = format!("before\n{BEGIN}old\n{END}after\n{BEGIN_BUILDS}{END_BUILDS}");
        let new = refreshed(&document, "new", BEGIN, END).expect("a document");
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}after\n{BEGIN_BUILDS}{END_BUILDS}"));
        let new = refreshed(&new, "built", BEGIN_BUILDS, END_BUILDS).expect("a document");
        assert!(new.ends_with(&format!("after\n{BEGIN_BUILDS}\nbuilt\n{END_BUILDS}")), "{new}");
        assert!(refreshed("no such lines", "new", BEGIN, END).is_err());
    }

    #[test]
    fn the_document_has_the_lines_between_which_tables_go() {
        let document = repository().join("docs/PERFORMANCE.md");
        let document = std::fs::read_to_string(document).expect("a document");
        assert!(refreshed(&document, "new", BEGIN, END).is_ok());
        assert!(refreshed(&document, "new", BEGIN_BUILDS, END_BUILDS).is_ok());
    }
}
