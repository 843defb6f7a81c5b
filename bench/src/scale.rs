//! The functions with catalogs from a thousand to a million movies: the cost of an invocation must not depend on the
//! number of other movies.
//!
//! The invocations are warm, as in [`warm`](crate::warm). All sizes are open at the same time, and operations and sizes
//! take turns. The functions write into copies, so that every run finds the same catalogs.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    binaries::repository,
    fixtures::{self, Fixtures},
    loader::Loader,
    open_catalog::OpenCatalog,
    operation::Operation,
    results::Scaled,
    statistics::thousands,
    system::System,
    turns,
};

/// The size of the smallest catalog: two of the largest pages.
pub const LEAST: u64 = 1_000;

/// How many invocations an operation has in one turn.
const TURN: usize = 25;

/// Measures every operation this many times with catalogs of each size. Loads catalogs that no earlier run has loaded,
/// and reports its progress to `tell`.
pub async fn measure(
    system: &System,
    sizes: &BTreeSet<u64>,
    invocations: usize,
    tell: impl Fn(&str) -> Result<()>,
) -> Result<Vec<Scaled>> {
    let model = fixtures::model(system).await?;
    let root = repository().join("target").join("scale");
    let loader = Loader::new(&root, system.template().tables(), system.table("MoviesTable")?, model)?;
    let mut catalogs = Vec::new();
    for &movies in sizes {
        if !loader.is_loaded(movies) {
            tell(&format!("loading a catalog of {} movies", thousands(movies)))?;
            loader.load(movies).await?;
        }
        // One more movie, which is renamed.
        let fixtures = Fixtures::new(system.beside(loader.copy(movies)?).await?, 1).await?;
        catalogs.push(OpenCatalog::new(fixtures, movies).await?);
    }
    let names: Vec<String> = sizes.iter().map(|movies| thousands(*movies)).collect();
    tell(&format!("catalogs of {} movies", names.join(", ")))?;
    take_turns(&mut catalogs, invocations).await
}

/// Measures operations and sizes in turn.
async fn take_turns(catalogs: &mut [OpenCatalog], invocations: usize) -> Result<Vec<Scaled>> {
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        for catalog in &mut *catalogs {
            // The first invocations set things up and are discarded.
            catalog.turn(operation, TURN).await?;
            let (warm, costs) = (Vec::new(), Vec::new());
            measured.push(Scaled { operation, movies: catalog.movies, warm, costs });
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
