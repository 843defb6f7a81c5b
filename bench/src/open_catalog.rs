//! A catalog that functions are measured with.

use anyhow::{Context as _, Result, ensure};
use local::gateway::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::{
    catalog,
    fixtures::Fixtures,
    operation::{FOUND_PAGE, LARGEST_PAGE, Operation, PAGE},
    process::Instance,
    results::{Cost, Warm},
    subject::{LEAST_COST, Subject},
    warm,
};

/// The distance from one movie to read to the next, so that reads meet all parts of a table: a prime number, of which
/// no common size is a multiple.
const STRIDE: u64 = 7_919;

/// A copy of a catalog with a warm process for each operation.
pub struct OpenCatalog {
    fixtures: Fixtures,
    /// The number of movies, without those that measurements create.
    pub movies: u64,
    /// The parameter by which the page in the middle is asked for.
    cursor: String,
    /// The number of the movie to read next.
    next: u64,
    /// In the order of [`Operation::ALL`].
    instances: Vec<Instance>,
}

impl OpenCatalog {
    /// Starts the processes.
    pub async fn new(mut fixtures: Fixtures, movies: u64) -> Result<Self> {
        let mut instances = Vec::new();
        for operation in Operation::ALL {
            instances.push(fixtures.launch(&function(operation)).await?);
        }
        let mut catalog = Self { fixtures, movies, cursor: String::new(), next: 0, instances };
        catalog.walk().await?;
        catalog.find().await?;
        Ok(catalog)
    }

    /// Walks to the middle of the list with a process of its own, and checks that the function finds what was loaded.
    async fn walk(&mut self) -> Result<()> {
        let listed = catalog::listed(self.movies);
        let mut instance = self.fixtures.launch(&function(Operation::FirstPage)).await?;
        for expected in listed[..listed.len() / 2].chunks_exact(LARGEST_PAGE) {
            let event = self.get(&format!("/api/movies?limit={LARGEST_PAGE}{}", self.cursor))?;
            let page = HttpResponse::from_answer(&instance.invoke(&event).await?.response);
            let movies = page.json();
            let found = movies.as_array().into_iter().flatten();
            let found = found.map(|movie| movie["name"].as_str().unwrap_or_default().to_owned());
            ensure!(found.eq(expected.iter().map(|number| catalog::name(*number))), "a wrong page: {movies}");
            let link = page.headers.get("link").context("half a list has no next page")?;
            let cursor = link.split_once("cursor=").and_then(|(_, rest)| rest.split_once('>'));
            self.cursor = format!("&cursor={}", cursor.context("a link has no cursor")?.0);
        }
        Ok(())
    }

    /// Checks that the function finds what was loaded, and that every size has enough of it for a full page.
    async fn find(&mut self) -> Result<()> {
        let mut instance = self.fixtures.launch(&function(Operation::FindByPrefix)).await?;
        for operation in [Operation::FindByPrefix, Operation::FindByUser] {
            let event = self.event(operation).await?;
            let page = HttpResponse::from_answer(&instance.invoke(&event).await?.response).json();
            let fits = |movie: &Value| match operation {
                Operation::FindByUser => movie["added_by"] == catalog::owner(0),
                _ => movie["name"].as_str().is_some_and(|name| name.starts_with(catalog::PREFIX)),
            };
            let movies = page.as_array().map(Vec::as_slice).unwrap_or_default();
            let name = operation.name();
            ensure!(movies.len() == FOUND_PAGE && movies.iter().all(fits), "{name}: a wrong page: {page}");
        }
        Ok(())
    }

    /// Invokes an operation this many times. All events are made first, so that only the measured process and the
    /// database run in between.
    pub async fn turn(&mut self, operation: Operation, size: usize) -> Result<Vec<(Warm, Cost)>> {
        let mut events = Vec::with_capacity(size);
        for _ in 0..size {
            events.push(self.event(operation).await?);
        }
        let system = &self.fixtures.system;
        let instance = &mut self.instances[operation as usize];
        let mut turn = Vec::with_capacity(size);
        for event in &events {
            let before = system.requests();
            let warm = warm::invocation(instance, event).await?;
            let completed = instance.completed().await?;
            let units = |name: &str| completed[name].as_f64().unwrap_or_default();
            let cost = Cost {
                requests: system.requests() - before,
                read_units: units("ReadCapacityUnits"),
                write_units: units("WriteCapacityUnits"),
            };
            turn.push((warm, cost));
        }
        Ok(turn)
    }

    async fn event(&mut self, operation: Operation) -> Result<Value> {
        let path = match operation {
            Operation::FirstPage => format!("/api/movies?limit={PAGE}"),
            Operation::MiddlePage => format!("/api/movies?limit={PAGE}{}", self.cursor),
            Operation::FindByPrefix => found(&format!("name_prefix={}", catalog::PREFIX.replace(' ', "%20"))),
            Operation::FindByUser => found(&format!("added_by={}", catalog::owner(0))),
            Operation::Get => {
                let id = catalog::id(self.next);
                self.next = (self.next + STRIDE) % self.movies;
                format!("/api/movies/{id}")
            }
            Operation::Create | Operation::Rename => return self.fixtures.event(&function(operation)).await,
        };
        self.get(&path)
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.fixtures.system.event(&HttpRequest::new("GET", path))
    }
}

/// Returns the path of a page of found movies.
fn found(filter: &str) -> String {
    format!("/api/movies?{filter}&limit={FOUND_PAGE}")
}

fn function(operation: Operation) -> Subject {
    Subject::new(operation.program(), operation.program(), LEAST_COST)
}
