//! A catalog that functions are measured with.

use anyhow::{Context as _, Result, ensure};
use local::gateway::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::{Operation, PAGE, catalog, cost, loader::Loader};
use crate::{
    fixtures::Fixtures,
    process::Instance,
    results::{Cost, Warm},
    subject::Subject,
    warm,
};

/// The next movie to get is so many numbers on, so that all parts of a table are met: a prime number, of which no usual
/// size is a multiple.
const STRIDE: u64 = 7_919;

/// A copy of a catalog with a warm process for each operation.
pub struct Opened {
    fixtures: Fixtures,
    movies: u64,
    /// Where the page in the middle begins.
    cursor: String,
    /// The number of the movie to get.
    next: u64,
    instances: Vec<Instance>,
}

impl Opened {
    /// Starts the processes.
    pub async fn new(mut fixtures: Fixtures, movies: u64, cursor: String) -> Result<Self> {
        let mut instances = Vec::new();
        for operation in Operation::ALL {
            instances.push(fixtures.launch(&Subject::function(operation.program()), None).await?);
        }
        Ok(Self { fixtures, movies, cursor, next: 0, instances })
    }

    /// How many movies there are, apart from those that are created.
    #[must_use]
    pub fn movies(&self) -> u64 {
        self.movies
    }

    /// Whether the functions find what was loaded: the first page, the one in the middle, and the movie before it.
    /// `listed` has the numbers of all movies in the order of the list.
    pub async fn check(&mut self, listed: &[u64]) -> Result<()> {
        let middle = listed.len() / 2;
        for (operation, first) in [(Operation::FirstPage, 0), (Operation::MiddlePage, middle + 1)] {
            let found = self.ask(operation).await?;
            let found = found.as_array().context("a page is no array")?;
            let found: Vec<&str> = found.iter().filter_map(|movie| movie["name"].as_str()).collect();
            let expected: Vec<String> =
                listed[first..first + PAGE].iter().map(|number| catalog::name(*number)).collect();
            ensure!(found == expected, "{} is wrong: {found:?} instead of {expected:?}", operation.name());
        }
        self.next = listed[middle];
        let found = self.ask(Operation::Get).await?;
        ensure!(found["name"] == *catalog::name(listed[middle]), "another movie was found: {found}");
        Ok(())
    }

    /// Invokes an operation so many times. All events are made before the first one goes out, so that only the measured
    /// process and the database run in between.
    pub async fn turn(&mut self, operation: Operation, size: usize) -> Result<Vec<(Warm, Cost)>> {
        let mut events = Vec::with_capacity(size);
        for _ in 0..size {
            events.push(self.event(operation).await?);
        }
        let system = self.fixtures.system();
        let instance = &mut self.instances[place(operation)];
        let mut turn = Vec::with_capacity(size);
        for event in &events {
            let requests = system.requests();
            let warm = warm::invocation(instance, event).await?;
            let cost = cost(&instance.completed().await?, system.requests() - requests);
            turn.push((warm, cost));
        }
        Ok(turn)
    }

    /// Ends the processes.
    pub async fn close(self) -> Result<()> {
        for instance in self.instances {
            instance.stop().await?;
        }
        Ok(())
    }

    async fn ask(&mut self, operation: Operation) -> Result<Value> {
        let event = self.event(operation).await?;
        let answer = self.instances[place(operation)].invoke(&event).await?.answer;
        Ok(HttpResponse::from_answer(&answer).json())
    }

    async fn event(&mut self, operation: Operation) -> Result<Value> {
        let path = match operation {
            Operation::FirstPage => format!("/api/movies?limit={PAGE}"),
            Operation::MiddlePage => format!("/api/movies?limit={PAGE}&cursor={}", self.cursor),
            Operation::Get => {
                let id = catalog::id(self.next);
                self.next = (self.next + STRIDE) % self.movies;
                format!("/api/movies/{id}")
            }
            Operation::Create | Operation::Rename => {
                return self.fixtures.event(&Subject::function(operation.program())).await;
            }
        };
        self.fixtures.system().event(&HttpRequest::new("GET", &path))
    }
}

/// The cursor of the page behind the movie in the middle of a list. The function itself makes it, of a list with only
/// that movie and the last one: it holds nothing but the movie.
pub async fn cursor(scratch: &mut Fixtures, loader: &Loader, table: &str, listed: &[u64]) -> Result<String> {
    let (middle, last) = (listed[listed.len() / 2], listed[listed.len() - 1]);
    let database = &scratch.system().database;
    let mut items = Vec::new();
    for number in [middle, last] {
        for item in loader.model().movie(number)? {
            let item = serde_json::to_value(item)?;
            database.put_item(table, item.clone())?;
            items.push(item);
        }
    }
    let event = scratch.system().event(&HttpRequest::new("GET", "/api/movies?limit=1"))?;
    let mut instance = scratch.launch(&Subject::function("list-movies"), None).await?;
    let answer = HttpResponse::from_answer(&instance.invoke(&event).await?.answer);
    instance.stop().await?;
    for item in items {
        scratch.system().database.delete_item(table, serde_json::json!({"pk": item["pk"]}))?;
    }
    let link = answer.headers.get("link").context("a list of two has no second page")?;
    let cursor = link.split_once("cursor=").and_then(|(_, rest)| rest.split_once('>'));
    Ok(cursor.context("a link has no cursor")?.0.to_owned())
}

fn place(operation: Operation) -> usize {
    Operation::ALL.iter().position(|other| *other == operation).unwrap_or_default()
}
