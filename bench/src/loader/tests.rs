use local::template::Template;

use super::*;
use crate::{binaries::repository, catalog::tests::model};

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
async fn an_interrupted_load_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let loader = loader(folder.path()).expect("a loader");
    let leftover = loader.folder.join("loading");
    fs::create_dir_all(&leftover).expect("a folder");
    fs::write(leftover.join(DATABASE), "half a database").expect("a file");
    let movies = 2 * BATCH as u64 + 10;
    assert!(!loader.is_loaded(movies));
    loader.load(movies).await.expect("a catalog");
    assert!(loader.is_loaded(movies) && !leftover.exists());
    assert_eq!(items(&loader, movies).await.len(), 20_020);
}

#[tokio::test]
async fn a_larger_catalog_contains_the_smaller_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let loader = loader(folder.path()).expect("a loader");
    for movies in [500, 501] {
        loader.load(movies).await.expect("a catalog");
    }
    let (small, large) = (items(&loader, 500).await, items(&loader, 501).await);
    assert_eq!(large.len(), small.len() + ITEMS);
    assert!(small.iter().all(|item| large.binary_search(item).is_ok()), "an item is missing");
}

#[tokio::test]
async fn catalogs_of_another_shape_are_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = loader(folder.path()).expect("a loader");
    old.load(100).await.expect("a catalog");
    assert!(loader(folder.path()).is_err(), "it is in use");
    drop(old);
    assert!(loader(folder.path()).expect("a loader").is_loaded(100));
    let other = Template::parse(&template().replace("ProjectionType: ALL", "ProjectionType: KEYS_ONLY"));
    let other = Loader::new(folder.path(), other.expect("a template").tables(), TABLE, model());
    assert!(!other.expect("a loader").is_loaded(100));
    assert!(!loader(folder.path()).expect("a loader").is_loaded(100));
}
