//! The files that the documents name.

use std::{fs, path::Path};

/// The folders that a path in a document can be relative to. ARCHITECTURE.md abbreviates the paths of modules.
const FOLDERS: [&str; 3] = ["", "shared/src", "local/src"];

#[test]
fn every_file_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents =
        fs::read_dir(root.join("docs")).expect("the documents").map(|entry| entry.expect("an entry").path());
    let documents: Vec<_> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(|name| root.join(name))
        .into_iter()
        .chain(documents.filter(|path| path.extension().is_some_and(|extension| extension == "md")))
        .collect();
    let mut found = 0;
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        // The odd parts between backticks are code.
        for code in text.split('`').skip(1).step_by(2) {
            let path = code.split("::").next().unwrap_or_default();
            let is_path =
                path.contains('/') && [".rs", ".py", ".json", ".mjs"].iter().any(|end| path.ends_with(end));
            // A path with a leading slash is one of the API.
            if !is_path || path.starts_with('/') || path.contains(['<', '*', ' ', ':']) {
                continue;
            }
            found += 1;
            let exists = FOLDERS.iter().any(|folder| root.join(folder).join(path).is_file());
            assert!(exists, "{} names {path}, which does not exist", document.display());
        }
    }
    assert!(found > 100, "only {found} paths were found");
}
