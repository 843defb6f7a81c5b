//! What is measured: every function of the template, and what they are compared with.

use local::template::Template;

use crate::trust::Trust;

/// The least cost that a function hashes at. What a function does beside hashing shows best where hashing is least.
pub const LEAST_COST: u32 = 10;

/// A function that does nothing.
pub const EMPTY: &str = "empty";
/// The GetItem of `get-movie` with our client and nothing else.
pub const MINIMAL: &str = "minimal";
/// The GetItem of `get-movie` with everything as it comes.
pub const STOCK: &str = "stock";
/// One bcrypt verification.
pub const BARE_BCRYPT: &str = "bare-bcrypt";

/// The programs of `bench/candidates`.
pub const PEERS: [&str; 4] = [EMPTY, MINIMAL, STOCK, BARE_BCRYPT];

/// How much work it is to make an event for a subject, or to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Milliseconds.
    Light,
    /// Each event needs a login of its own.
    Session,
    /// Each invocation hashes.
    Hashing,
}

/// One thing that is measured.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What tables call it.
    pub name: String,
    /// The binary.
    pub program: String,
    /// The operation whose events and variables it gets.
    pub operation: String,
    /// The bcrypt cost of the hashes that it meets or makes.
    pub cost: u32,
}

impl Subject {
    /// Every subject, in the order of tables. Those that hash are there twice unless `cost` is the least.
    #[must_use]
    pub fn all(template: &Template, cost: u32) -> Vec<Self> {
        let mut subjects: Vec<Self> =
            [EMPTY, MINIMAL, STOCK].map(|peer| Self::new(peer, "get-movie", cost)).into();
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

    /// A function of the template, by its operation, at the least cost.
    #[must_use]
    pub fn function(operation: &str) -> Self {
        Self::new(operation, operation, LEAST_COST)
    }

    /// Another build of a function of the template.
    #[must_use]
    pub fn build(program: &str, operation: &str) -> Self {
        Self::new(program, operation, LEAST_COST)
    }

    fn new(program: &str, operation: &str, cost: u32) -> Self {
        Self { name: program.to_owned(), program: program.to_owned(), operation: operation.to_owned(), cost }
    }

    /// How many bcrypt hashes an invocation computes.
    #[must_use]
    pub fn hashes(&self) -> u32 {
        match self.program.as_str() {
            "signup" | "login" | BARE_BCRYPT => 1,
            "change-password" => 2,
            _ => 0,
        }
    }

    /// How dear an invocation is.
    #[must_use]
    pub fn effort(&self) -> Effort {
        match self.program.as_str() {
            "logout" | "delete-account" => Effort::Session,
            _ if self.hashes() > 0 => Effort::Hashing,
            _ => Effort::Light,
        }
    }

    /// What it trusts: as much as it would parse on Lambda.
    #[must_use]
    pub fn trust(&self) -> Trust {
        if self.program == STOCK { Trust::System } else { Trust::Amazon }
    }
}
