//! What is measured: every function of the template, and the programs that they are compared with.

use local::template::Template;

use crate::trust::{AMAZON_FILE, MOZILLA_FILE};

/// The lowest cost that a function hashes at. The work beside hashing is best visible where hashing is cheapest.
pub const LEAST_COST: u32 = 10;

// The programs of `bench/candidates`, which describe themselves.
pub const EMPTY: &str = "empty";
pub const MINIMAL: &str = "minimal";
pub const BOUND: &str = "bound";
pub const STOCK: &str = "stock";
pub const BARE_BCRYPT: &str = "bare-bcrypt";
pub const PEERS: [&str; 5] = [EMPTY, BOUND, MINIMAL, STOCK, BARE_BCRYPT];

// The two kinds of requests of `update-movie`. A new name is the most expensive change: a transaction that also moves the
// claim to the name.
// The requests of `update-movie`. `fixtures` spells them out, so that a test finds the operation there.
pub const UPDATE_NAME: &str = "update-movie, name";
pub const UPDATE_LISTS: &str = "update-movie, casts and genres";

/// A program that is measured.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in tables.
    pub name: String,
    pub program: String,
    /// The operation whose variables it gets.
    pub operation: String,
    /// The request that its events are: that of the operation, or one of those above if there are several.
    pub request: String,
    /// The bcrypt cost of the hashes that it verifies or makes.
    pub cost: u32,
}

impl Subject {
    /// Returns every subject in the order of tables. Those that hash are there twice unless `cost` is the lowest.
    pub fn all(template: &Template, cost: u32) -> Vec<Self> {
        let mut subjects: Vec<Self> =
            [EMPTY, BOUND, MINIMAL, STOCK].map(|peer| Self::new(peer, "get-movie", cost)).into();
        let operations = template.functions().iter().map(|function| function.operation.as_str());
        subjects.extend(operations.map(|operation| Self::new(operation, operation, cost)));
        subjects.push(Self::new(BARE_BCRYPT, "login", cost));
        if cost != LEAST_COST {
            let hashing: Vec<_> = subjects.iter().filter(|subject| subject.hashes() > 0).cloned().collect();
            subjects.extend(hashing.into_iter().map(|subject| Self {
                name: format!("{} at cost {LEAST_COST}", subject.name),
                cost: LEAST_COST,
                ..subject
            }));
        }
        subjects
    }

    /// Creates a subject that has the name of its program.
    pub fn new(program: &str, operation: &str, cost: u32) -> Self {
        let request = if operation == "update-movie" { UPDATE_NAME } else { operation };
        let [name, program, operation, request] = [program, program, operation, request].map(str::to_owned);
        Self { name, program, operation, request, cost }
    }

    /// Returns the same subject with another name.
    pub fn called(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Returns the number of bcrypt hashes that an invocation computes.
    pub fn hashes(&self) -> u32 {
        match self.program.as_str() {
            "signup" | "login" | BARE_BCRYPT => 1,
            "change-password" => 2,
            _ => 0,
        }
    }

    /// Returns whether each event needs a user who has logged in for it.
    pub fn ends_session(&self) -> bool {
        matches!(self.program.as_str(), "logout" | "delete-account")
    }

    /// Returns the file with the certificates that it trusts: as many as it parses on Lambda.
    pub fn trust(&self) -> &'static str {
        if self.program == STOCK { MOZILLA_FILE } else { AMAZON_FILE }
    }
}
