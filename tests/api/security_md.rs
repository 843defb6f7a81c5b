//! Checks what `SECURITY.md` says of the tests.

use std::fs;

/// `SECURITY.md` names the tests of each property.
#[test]
fn every_test_that_security_md_names_exists() {
    let text = fs::read_to_string("SECURITY.md").expect("SECURITY.md");
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|quoted| quoted.rsplit_once(".rs::")).collect();
    assert!(named.len() > 50, "SECURITY.md names too few tests: {named:?}");
    for (file, function) in named {
        let code =
            fs::read_to_string(format!("{file}.rs")).unwrap_or_else(|error| panic!("{file}.rs: {error}"));
        assert!(code.contains(&format!("fn {function}(")), "{file}.rs has no {function}");
    }
    assert!(!text.contains("TODO"), "SECURITY.md is not finished");
}
