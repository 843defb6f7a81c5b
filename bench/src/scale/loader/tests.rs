use anyhow::bail;
use local::template::Template;

use super::*;
use crate::{binaries::repository, scale::catalog::tests::model};

const TABLE: &str = "MoviesTable";

fn template() -> String {
    fs::read_to_string(repository().join("template.yaml")).expect("the template")
}

fn loader(root: &Path) -> Result<Loader> {
    let template = Template::parse(&template()).expect("a template");
    Loader::new(root, template.tables(), TABLE, model())
}

async fn items(loader: &Loader, movies: u64) -> Vec<String> {
    let copy = loader.copy(movies).expect("a copy");
    let database = EmbeddedDatabase::start(copy, 0).await.expect("a database");
    let mut items: Vec<String> =
        database.items(TABLE).expect("items").iter().map(ToString::to_string).collect();
    items.sort();
    items
}

#[tokio::test]
async fn an_interrupted_load_goes_on_and_comes_to_the_same() {
    let movies = 2 * BATCH + 10;
    let uninterrupted = tempfile::tempdir().expect("a folder");
    let uninterrupted = loader(uninterrupted.path()).expect("a loader");
    uninterrupted.load(movies, |_| Ok(())).await.expect("all of it");

    let folder = tempfile::tempdir().expect("a folder");
    let first = loader(folder.path()).expect("a loader");
    // As if the process had ended after the second batch, before that was written down.
    let interruption = |done| if done > BATCH { bail!("interrupted") } else { Ok(()) };
    assert!(first.load(movies, interruption).await.is_err());
    assert_eq!(first.loaded(movies).expect("a number"), BATCH);
    drop(first);
    let second = loader(folder.path()).expect("a loader");
    let mut steps = Vec::new();
    let step = |done| {
        steps.push(done);
        Ok(())
    };
    second.load(movies, step).await.expect("the rest");
    assert_eq!(steps, [BATCH, 2 * BATCH, movies]);
    assert_eq!(second.loaded(movies).expect("a number"), movies);
    let (expected, found) = (items(&uninterrupted, movies).await, items(&second, movies).await);
    assert_eq!(found.len(), 2 * usize::try_from(movies).expect("a size"));
    assert!(found == expected, "the items differ");
}

#[tokio::test]
async fn a_larger_catalog_begins_with_the_smaller_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let loader = loader(folder.path()).expect("a loader");
    loader.load(BATCH, |_| Ok(())).await.expect("a catalog");
    let mut steps = Vec::new();
    let step = |done| {
        steps.push(done);
        Ok(())
    };
    loader.load(BATCH + 1, step).await.expect("a larger catalog");
    assert_eq!(steps, [BATCH, BATCH + 1]);
    let (small, large) = (items(&loader, BATCH).await, items(&loader, BATCH + 1).await);
    assert_eq!(large.len(), small.len() + ITEMS);
    assert!(small.iter().all(|item| large.binary_search(item).is_ok()), "an item is missing");
    // What is complete is not touched again.
    loader.load(BATCH, |_| bail!("it is complete")).await.expect("nothing to do");
}

#[tokio::test]
async fn catalogs_of_another_shape_are_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = loader(folder.path()).expect("a loader");
    old.load(100, |_| Ok(())).await.expect("a catalog");
    assert!(loader(folder.path()).is_err(), "it is in use");
    drop(old);
    let other = Template::parse(&template().replace("ProjectionType: ALL", "ProjectionType: KEYS_ONLY"));
    let other = Loader::new(folder.path(), other.expect("a template").tables(), TABLE, model());
    assert_eq!(other.expect("a loader").loaded(100).expect("a number"), 0);
    assert_eq!(loader(folder.path()).expect("a loader").loaded(100).expect("a number"), 0);
}
