//! Notices changes of the files from which the functions are built.
//!
//! It compares the times of modification, because that needs no crate, notices editors that replace a file, and also works
//! where the system does not report changes, such as on a network drive. A comparison reads about a hundred entries.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::time::sleep;

/// The files and folders that a build depends on. Hidden entries of the folders are left out, such as an editor's.
const SOURCES: [&str; 6] = ["Cargo.toml", "Cargo.lock", ".cargo", "functions", "openapi.yaml", "shared"];

/// How often to look, and how long no file may have changed before a build begins.
const INTERVAL: Duration = Duration::from_millis(250);

/// The time of modification and the size in bytes of each file.
type Files = BTreeMap<PathBuf, (SystemTime, u64)>;

/// The changes of the files in a workspace.
pub struct Changes {
    root: PathBuf,
    seen: Files,
}

impl Changes {
    /// Returns the changes after now in the workspace `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { seen: files(&root), root }
    }

    /// Waits until files have changed, and then until no more change. A call that is canceled misses no change.
    pub async fn next(&mut self) {
        let mut latest = self.seen.clone();
        loop {
            sleep(INTERVAL).await;
            let now = files(&self.root);
            if now == latest && now != self.seen {
                self.seen = now;
                return;
            }
            latest = now;
        }
    }
}

fn files(root: &Path) -> Files {
    let mut files = Files::new();
    for source in SOURCES {
        add(&root.join(source), &mut files);
    }
    files
}

/// Adds a file or the files of a folder. One that has just been removed is left out.
fn add(path: &Path, files: &mut Files) {
    let Ok(metadata) = path.metadata() else { return };
    if metadata.is_dir() {
        for entry in path.read_dir().into_iter().flatten().flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                add(&entry.path(), files);
            }
        }
    } else if let Ok(modified) = metadata.modified() {
        files.insert(path.to_owned(), (modified, metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn written_replaced_and_removed_sources_are_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["functions/login", "shared/src", "target", ".local"] {
            fs::create_dir_all(path(name)).expect("a folder");
        }
        let file = path("functions/login/main.rs");
        fs::write(&file, "1").expect("a file");
        let mut changes = Changes::new(folder.path().to_owned());

        for other in ["target/login", ".local/lock", "functions/login/.main.rs.swp", "README.md"] {
            fs::write(path(other), "").expect("a file");
        }
        assert!(timeout(4 * INTERVAL, changes.next()).await.is_err(), "no source has changed");

        fs::write(path("shared/src/new.rs"), "").expect("a file");
        changes.next().await;
        // `api-docs` contains it.
        fs::write(path("openapi.yaml"), "").expect("a file");
        changes.next().await;
        // As editors do that write another file first.
        fs::write(path("functions/login/main.rs~"), "2").expect("a file");
        fs::rename(path("functions/login/main.rs~"), &file).expect("a replaced file");
        changes.next().await;
        fs::remove_file(path("shared/src/new.rs")).expect("a removed file");
        changes.next().await;
    }

    #[tokio::test]
    async fn a_canceled_call_misses_no_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut changes = Changes::new(folder.path().to_owned());
        fs::write(folder.path().join("Cargo.toml"), "").expect("a file");
        assert!(timeout(INTERVAL + INTERVAL / 2, changes.next()).await.is_err(), "it waits for more changes");
        changes.next().await;
    }
}
