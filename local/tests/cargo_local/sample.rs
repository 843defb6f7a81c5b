//! `cargo local --sample`, several times on the same data.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use hyper::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::site::Site;

const MOVIES: &str = include_str!("../../src/watch/sample/movies.json");

#[tokio::test]
async fn a_sample_is_added_to_an_empty_bag_only() {
    let folder = folder_of_data();
    // A person of the sample has another password.
    let site = start(&folder, &[]).await;
    site.sign_up("mia@example.com").await;
    site.stop().await;
    let site = start(&folder, &["--sample"]).await;
    site.until_logged("The sample is incomplete: the response to POST /api/auth/login is 401 Unauthorized")
        .await;
    assert_eq!(list(&site, "limit=1").await, [] as [Value; 0]);
    site.stop().await;

    fs::remove_dir_all(folder.path().join(".local")).expect("the data");
    let site = start(&folder, &["--sample"]).await;
    site.until_logged("curl http").await;
    every_movie_is_added(&site).await;
    the_printed_commands_show_the_sample(&site).await;
    site.stop().await;

    let site = start(&folder, &["--sample"]).await;
    site.until_logged("no sample is added").await;
    assert_eq!(list(&site, "limit=100").await.len(), 100);
    site.stop().await;
}

async fn every_movie_is_added(site: &Site) {
    let expected: Vec<Value> = serde_json::from_str(MOVIES).expect("movies");
    let movies = list(site, "limit=100").await;
    let fields =
        |movie: &Value| json!({"name": movie["name"], "casts": movie["casts"], "genres": movie["genres"]});
    assert_eq!(movies.iter().map(fields).collect::<Vec<_>>(), expected, "the movies are in the API's order");
    let mut counts = BTreeMap::new();
    for movie in &movies {
        *counts.entry(movie["added_by"].to_string()).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [50, 50]);
    for quarter in ["25 of 100", "50 of 100", "75 of 100", "100 of 100"] {
        site.until_logged(&format!("Adding sample movies: {quarter}")).await;
    }
}

async fn the_printed_commands_show_the_sample(site: &Site) {
    let log = site.log();
    let shown = log.iter().skip_while(|line| !line.starts_with("The bag has a hundred movies"));
    let shown: Vec<&String> = shown.collect();
    let addresses = shown.iter().filter_map(|line| line.trim().strip_prefix("curl '")?.strip_suffix('\''));
    let mut lengths = Vec::new();
    for address in addresses {
        let (_, query) = address.split_once("/api/movies?").expect("an address of the list");
        let movies = list(site, query).await;
        let in_query =
            |movie: &Value| movie["name"].as_str().expect("a name").to_lowercase().starts_with("the");
        assert!(!query.contains("prefix") || movies.iter().all(in_query), "{query}");
        lengths.push(movies.len());
    }
    assert_eq!((lengths[0], lengths[1] > 5, lengths[2]), (10, true, 50), "{lengths:?}");
    let login = shown.iter().find(|line| line.contains("/api/auth/login")).expect("how to log in");
    let account = login.split('\'').find(|part| part.contains("password")).expect("an account");
    let account: Value = serde_json::from_str(account).expect("JSON");
    for email in ["mia@example.com", "noah@example.com"] {
        site.log_in(&json!({"email": email, "password": account["password"]})).await;
    }
}

async fn list(site: &Site, query: &str) -> Vec<Value> {
    let (status, movies) = site.send("GET", &format!("/api/movies?{query}"), None, &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{movies}");
    serde_json::from_value(movies).expect("movies")
}

async fn start(folder: &TempDir, options: &[&str]) -> Site {
    Site::start_with(options, folder.path(), None).await
}

/// Returns a folder that has data of its own. Cargo finds the code in the folders above it.
fn folder_of_data() -> TempDir {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let target = workspace.join("target");
    fs::create_dir_all(&target).expect("a folder");
    let folder = tempfile::tempdir_in(target).expect("a folder");
    symlink(workspace.join("template.yaml"), folder.path().join("template.yaml")).expect("a link");
    folder
}
