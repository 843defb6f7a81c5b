//! How the functions do with catalogs from a thousand to a million movies: what an invocation costs must not depend on
//! how many others there are.
//!
//! What is measured is warm, and with the real binaries, as in [`warm`](crate::warm). All sizes are open at the same
//! time, and operations and sizes take turns. The functions write into copies, so that every run finds the same.

pub mod catalog;
pub mod loader;
mod opened;

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use local::database::Storage;
use serde_json::json;

use crate::{
    binaries::repository,
    fixtures::Fixtures,
    reach::bytes,
    results::{Cost, Scaled},
    system::System,
    turns,
};
use catalog::Model;
use loader::Loader;
use opened::Opened;

/// How many movies a page has.
const PAGE: usize = 100;

/// The smallest catalog that has a page behind its middle.
pub const LEAST: u64 = 500;

/// How many invocations an operation has in one turn.
const TURN: usize = 25;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The first page of the list.
    FirstPage,
    /// A page of the list by its cursor.
    MiddlePage,
    /// One movie.
    Get,
    /// A new movie.
    Create,
    /// Another name for a movie.
    Rename,
}

impl Operation {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] = [Self::FirstPage, Self::MiddlePage, Self::Get, Self::Create, Self::Rename];

    /// What tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstPage => "list, first page",
            Self::MiddlePage => "list, page in the middle",
            Self::Get => "get",
            Self::Create => "create",
            Self::Rename => "rename",
        }
    }

    /// The function that it is an operation of.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::FirstPage | Self::MiddlePage => "list-movies",
            Self::Get => "get-movie",
            Self::Create => "create-movie",
            Self::Rename => "update-movie",
        }
    }
}

/// Measures every operation so many times with catalogs of each size, which are loaded before unless an earlier run has
/// done it. `tell` says what is going on.
pub async fn measure(
    system: &System,
    sizes: &[u64],
    invocations: usize,
    tell: impl Fn(&str) -> Result<()>,
) -> Result<Vec<Scaled>> {
    let table = system.table("create-movie", "MOVIES_TABLE")?;
    let mut scratch = Fixtures::new(system.beside(Storage::Memory).await?, 0).await?;
    let model = model(&mut scratch, &table).await?;
    let root = repository().join("target").join("scale");
    let loader = Loader::new(&root, system.template().tables(), &table, model)?;
    for &movies in sizes {
        load(&loader, movies, &tell).await?;
    }
    let names: Vec<String> = sizes.iter().map(|movies| HumanCount(*movies).to_string()).collect();
    tell(&format!("catalogs of {} movies", names.join(", ")))?;
    let mut catalogs = Vec::new();
    for &movies in sizes {
        let listed = catalog::listed(movies);
        let cursor = opened::cursor(&mut scratch, &loader, &table, &listed).await?;
        let fixtures = Fixtures::new(system.beside(loader.copy(movies)?).await?, 0).await?;
        let mut catalog = Opened::new(fixtures, movies, cursor).await?;
        catalog.check(&listed).await?;
        catalogs.push(catalog);
    }
    let measured = take_turns(&mut catalogs, invocations).await?;
    for catalog in catalogs {
        catalog.close().await?;
    }
    loader.delete_copies()?;
    for scaled in measured.iter().filter(|scaled| scaled.costs.len() > 1) {
        let Scaled { operation, movies, costs, .. } = scaled;
        tell(&format!("{operation} of {movies} movies does not always cost the same: {costs:?}"))?;
    }
    Ok(measured)
}

/// Lets `create-movie` make a movie, whose items every other one is made like, and takes it away again.
async fn model(scratch: &mut Fixtures, table: &str) -> Result<Model> {
    scratch.movie_called(&catalog::name(0)).await?;
    let database = &scratch.system().database;
    let items = database.items(table)?;
    for item in &items {
        database.delete_item(table, json!({"pk": item["pk"]}))?;
    }
    Model::of(&items)
}

/// Loads a catalog with a progress bar, or without a word in between where standard error is no terminal.
async fn load(loader: &Loader, movies: u64, tell: &impl Fn(&str) -> Result<()>) -> Result<()> {
    if loader.loaded(movies)? == movies {
        return Ok(());
    }
    let started = Instant::now();
    let mut bar = None;
    loader
        .load(movies, |done| {
            match &bar {
                None => bar = Some(progress_bar(movies, done)?),
                Some(bar) => bar.set_position(done),
            }
            Ok(())
        })
        .await?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    tell(&format!(
        "loaded a catalog of {} movies in {}: {}",
        HumanCount(movies),
        HumanDuration(started.elapsed()),
        HumanBytes(loader.bytes(movies)?)
    ))
}

/// A bar for so many movies, some of which are there already. Its own estimates would count them.
fn progress_bar(movies: u64, there: u64) -> Result<ProgressBar> {
    let started = Instant::now();
    let per_second =
        move |state: &ProgressState| bytes(state.pos() - there) / started.elapsed().as_secs_f64();
    // Nobody would hear of an error of a progress bar.
    let rate = move |state: &ProgressState, text: &mut dyn Write| {
        let _ = write!(text, "{:.0}", per_second(state));
    };
    let left = move |state: &ProgressState, text: &mut dyn Write| {
        let seconds = bytes(movies - state.pos()) / per_second(state);
        let _ = match Duration::try_from_secs_f64(seconds) {
            Ok(left) => write!(text, "{:#}", HumanDuration(left)),
            Err(_) => write!(text, "?"),
        };
    };
    let style =
        "bench: loading {wide_bar} {human_pos} of {human_len} movies, {rate} in a second, {left} left";
    let style = ProgressStyle::with_template(style)?.with_key("rate", rate).with_key("left", left);
    Ok(ProgressBar::new(movies).with_style(style).with_position(there))
}

/// Operations and sizes in turn.
async fn take_turns(catalogs: &mut [Opened], invocations: usize) -> Result<Vec<Scaled>> {
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        for catalog in &mut *catalogs {
            // What the first invocations set up is not there to be measured.
            catalog.turn(operation, TURN).await?;
            measured.push(Scaled::new(operation.name(), catalog.movies()));
        }
    }
    for (round, begun) in (0..invocations).step_by(TURN).enumerate() {
        for (row, operation) in Operation::ALL.into_iter().enumerate() {
            for number in turns::of_round(round, catalogs.len()) {
                let turn = catalogs[number].turn(operation, TURN.min(invocations - begun)).await?;
                let scaled = &mut measured[row * catalogs.len() + number];
                for (warm, cost) in turn {
                    scaled.warm.push(warm);
                    if !scaled.costs.contains(&cost) {
                        scaled.costs.push(cost);
                    }
                }
            }
        }
    }
    Ok(measured)
}

/// What an invocation costs by the function's own account, and how many requests came in meanwhile.
fn cost(completed: &serde_json::Value, requests: u64) -> Cost {
    let units = |name: &str| completed[name].as_f64().unwrap_or_default();
    Cost { requests, read_units: units("ReadCapacityUnits"), write_units: units("WriteCapacityUnits") }
}
