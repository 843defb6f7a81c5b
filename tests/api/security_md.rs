//! Checks what `SECURITY.md` says of the tests.

use std::fs;

/// Panics unless a document names at least this many tests, as `path.rs::function` in backquotes, and all of them exist.
pub fn assert_named_tests_exist(document: &str, at_least: usize) {
    let text = fs::read_to_string(document).unwrap_or_else(|error| panic!("{document}: {error}"));
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|quoted| quoted.rsplit_once(".rs::")).collect();
    assert!(named.len() >= at_least, "{document} names too few tests: {named:?}");
    for (file, function) in named {
        let code =
            fs::read_to_string(format!("{file}.rs")).unwrap_or_else(|error| panic!("{file}.rs: {error}"));
        assert!(code.contains(&format!("fn {function}(")), "{document}: {file}.rs has no {function}");
    }
    assert!(!text.contains("TODO"), "{document} is not finished");
}

/// `SECURITY.md` names the tests of each property.
#[test]
fn every_test_that_security_md_names_exists() {
    assert_named_tests_exist("SECURITY.md", 50);
}
