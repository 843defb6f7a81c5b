//! Checks `docs/ASVS.md`: that it assesses every requirement, and what it says of the tests.

use std::{collections::BTreeMap, fs};

use crate::security_md::assert_named_tests_exist;

const DOCUMENT: &str = "docs/ASVS.md";

/// The requirements of level 1 in the chapters V4, V6, V7 and V9 of OWASP ASVS 5.0.0.
const LEVEL_1: &[&str] = &[
    "4.1.1", "4.4.1", "6.1.1", "6.2.1", "6.2.2", "6.2.3", "6.2.4", "6.2.5", "6.2.6", "6.2.7", "6.2.8",
    "6.3.1", "6.3.2", "6.4.1", "6.4.2", "7.2.1", "7.2.2", "7.2.3", "7.2.4", "7.4.1", "7.4.2", "9.1.1",
    "9.1.2", "9.1.3", "9.2.1",
];

/// The requirements of level 2 in these chapters.
const LEVEL_2: &[&str] = &[
    "4.1.2", "4.1.3", "4.2.1", "4.3.1", "4.3.2", "4.4.2", "4.4.3", "4.4.4", "6.1.2", "6.1.3", "6.2.9",
    "6.2.10", "6.2.11", "6.2.12", "6.3.3", "6.3.4", "6.4.3", "6.4.4", "6.5.1", "6.5.2", "6.5.3", "6.5.4",
    "6.5.5", "6.6.1", "6.6.2", "6.6.3", "6.8.1", "6.8.2", "6.8.3", "6.8.4", "7.1.1", "7.1.2", "7.1.3",
    "7.3.1", "7.3.2", "7.4.3", "7.4.4", "7.4.5", "7.5.1", "7.5.2", "7.6.1", "7.6.2", "9.2.2", "9.2.3",
    "9.2.4",
];

const STATUSES: [&str; 3] = ["met", "not met", "not applicable"];

/// A row of the tables.
struct Row {
    number: String,
    level: String,
    status: String,
    /// How the requirement is met, or why it is not.
    reason: String,
}

/// Returns the cells of the table rows that begin with a number.
fn numbered_rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let rows = rows.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<String>>());
    rows.filter(|cells| cells[0].starts_with(|first: char| first.is_ascii_digit())).collect()
}

fn text() -> String {
    fs::read_to_string(DOCUMENT).unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"))
}

/// Returns the assessed requirements, in order.
fn rows() -> Vec<Row> {
    let requirements = numbered_rows(&text()).into_iter().filter(|cells| cells[0].contains('.'));
    requirements
        .map(|cells| {
            let cells: [String; 5] =
                cells.try_into().unwrap_or_else(|cells| panic!("not 5 cells: {cells:?}"));
            let [number, level, _, status, reason] = cells;
            Row { number, level, status, reason }
        })
        .collect()
}

#[test]
fn every_requirement_is_assessed_once_with_its_level() {
    let mut assessed: Vec<(String, String)> = rows().into_iter().map(|row| (row.number, row.level)).collect();
    let of_level = |numbers: &[&str], level: &str| -> Vec<(String, String)> {
        numbers.iter().map(|number| ((*number).to_owned(), level.to_owned())).collect()
    };
    let mut expected = [of_level(LEVEL_1, "1"), of_level(LEVEL_2, "2")].concat();
    assessed.sort();
    expected.sort();
    assert_eq!(assessed, expected, "left is {DOCUMENT}, right is ASVS");
}

#[test]
fn every_requirement_has_a_status_and_a_reason() {
    for Row { number, status, reason, .. } in rows() {
        assert!(STATUSES.contains(&&*status), "{number} has the status {status}");
        assert!(!reason.is_empty(), "{number} is not explained");
        let is_shown = reason.contains(".rs::") || reason.contains("](") || reason.contains("Not tested");
        assert!(status != "met" || is_shown, "{number} names neither a test nor a document: {reason}");
        if let Some(other) = reason.strip_prefix("See ").and_then(|rest| rest.split([';', ' ']).next()) {
            let other = rows().into_iter().find(|row| row.number == other);
            let other = other.unwrap_or_else(|| panic!("{number} refers to a row that does not exist"));
            assert_eq!(other.status, status, "{number} refers to {}", other.number);
        }
    }
}

#[test]
fn the_counts_are_right() {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in rows() {
        *counts.entry((row.level, row.status)).or_default() += 1;
    }
    let summary = numbered_rows(&text()).into_iter().filter(|cells| !cells[0].contains('.'));
    let summary: Vec<Vec<String>> = summary.collect();
    let count = |level: &str, status: &str| counts.get(&(level.to_owned(), status.to_owned())).copied();
    let expected = ["1", "2"].map(|level| {
        let counts = STATUSES.map(|status| count(level, status).unwrap_or_default().to_string());
        [vec![level.to_owned()], counts.to_vec()].concat()
    });
    assert_eq!(summary, expected, "left is {DOCUMENT}, right is counted");
}

#[test]
fn every_test_that_asvs_md_names_exists() {
    assert_named_tests_exist(DOCUMENT, 50);
}
