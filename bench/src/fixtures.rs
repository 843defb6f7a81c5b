//! The data that measured requests are about, and the requests. Everything is made by the functions themselves: people
//! sign up and log in, and movies are created, before the measured process starts.

mod requests;

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result, bail};
use local::gateway::HttpRequest;
use serde_json::{Value, json};

use requests::{Person, login, movie, text};

use crate::{
    process::Instance,
    quota::Group,
    subject::{BARE_BCRYPT, LEAST_COST, Subject},
    system::System,
};

/// How many movies there are to read in the system of most measurements. Those that are created come on top.
pub const MOVIES: usize = 100;

/// How many people take turns, so that as many events can be made before the first of them is used.
pub const PEOPLE: usize = 10;

/// A system with data in it.
pub struct Fixtures {
    system: System,
    /// Warm functions that make data, by operation and cost.
    helpers: BTreeMap<(String, u32), Instance>,
    owner: Person,
    movies: VecDeque<String>,
    /// The movie that changes; empty until one has to.
    changing: String,
    /// Those who log in, by the cost of their hash.
    known: BTreeMap<u32, Person>,
    /// Those who take turns, by what they do and the cost of their hash.
    turns: BTreeMap<(String, u32), VecDeque<Person>>,
    count: usize,
}

impl Fixtures {
    /// Adds a person to a system, and so many movies of theirs.
    pub async fn new(system: System, movies: usize) -> Result<Self> {
        let mut fixtures = Self {
            system,
            helpers: BTreeMap::new(),
            owner: Person::default(),
            movies: VecDeque::new(),
            changing: String::new(),
            known: BTreeMap::new(),
            turns: BTreeMap::new(),
            count: 0,
        };
        fixtures.owner = fixtures.signed_up(LEAST_COST).await?;
        fixtures.owner.token = fixtures.logged_in(&fixtures.owner.clone(), LEAST_COST).await?;
        for _ in 0..movies {
            let movie = fixtures.movie().await?;
            fixtures.movies.push_back(movie);
        }
        Ok(fixtures)
    }

    /// An event that a subject will answer with success, once.
    pub async fn event(&mut self, subject: &Subject) -> Result<Value> {
        let Subject { operation, cost, .. } = subject;
        let owned = |request: HttpRequest, fixtures: &Self| request.bearer(&fixtures.owner.token);
        let request = match operation.as_str() {
            "get-movie" => {
                self.movies.rotate_left(1);
                HttpRequest::new("GET", &format!("/api/movies/{}", self.movies[0]))
            }
            // A page as a screen shows it.
            "list-movies" => HttpRequest::new("GET", "/api/movies?limit=20"),
            "get-account" => owned(HttpRequest::new("GET", "/api/auth/account"), self),
            "create-movie" => {
                let name = self.movie_name();
                self.creation(&name)
            }
            // Another name is the dearest change: a transaction that also moves the name's claim.
            "update-movie" => {
                if self.changing.is_empty() {
                    self.changing = self.movie().await?;
                }
                let path = format!("/api/movies/{}", self.changing);
                let body = movie(&self.movie_name());
                owned(HttpRequest::new("PUT", &path).json(&body), self)
            }
            "delete-movie" => {
                let path = format!("/api/movies/{}", self.movie().await?);
                owned(HttpRequest::new("DELETE", &path), self)
            }
            "signup" => self.signup().1,
            "login" => login(&self.known(*cost).await?),
            "logout" => {
                let person = self.next_in_turn("logout", LEAST_COST).await?;
                let token = self.logged_in(&person, LEAST_COST).await?;
                HttpRequest::new("POST", "/api/auth/logout").bearer(&token)
            }
            "change-password" => self.change_of_password(*cost).await?,
            "delete-account" => {
                let person = self.signed_up(LEAST_COST).await?;
                let token = self.logged_in(&person, LEAST_COST).await?;
                HttpRequest::new("DELETE", "/api/auth/account").bearer(&token)
            }
            "purge-account" => return self.schedule(),
            other => bail!("there is no event for {other}: add one to bench/src/fixtures.rs"),
        };
        self.system.event(&request)
    }

    /// Starts a process of a subject, with the variables that only its data tells.
    pub async fn launch(&mut self, subject: &Subject, group: Option<&Group>) -> Result<Instance> {
        let mut more = Vec::new();
        if subject.program == BARE_BCRYPT {
            let Person { password, hash, .. } = self.known(subject.cost).await?;
            more.extend([("PASSWORD".to_owned(), password), ("PASSWORD_HASH".to_owned(), hash)]);
        }
        if subject.operation == "purge-account" {
            // Of those who left since its event was made.
            self.forget_account_deletions()?;
        }
        self.system.launch(subject, &more, group).await
    }

    /// Sends a request through a warm process of an operation and gives the body of the answer.
    async fn ask(&mut self, operation: &str, cost: u32, request: &HttpRequest) -> Result<Value> {
        let helper = (operation.to_owned(), cost);
        if !self.helpers.contains_key(&helper) {
            let (program, operation) = (operation.to_owned(), operation.to_owned());
            let subject = Subject { name: program.clone(), program, operation, cost };
            let instance = self.system.launch(&subject, &[], None).await?;
            self.helpers.insert(helper.clone(), instance);
        }
        let event = self.system.event(request)?;
        let instance = self.helpers.get_mut(&helper).context("it was just inserted")?;
        let answer = instance.invoke(&event).await?.answer;
        Ok(serde_json::from_str(answer["body"].as_str().unwrap_or_default())?)
    }

    fn unique(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    /// A name that no movie has. It is late in the alphabet: a page from the first half of a large catalog must stay as
    /// it is while movies are created.
    fn movie_name(&mut self) -> String {
        format!("The Movie of Measured Length, Part {}", self.unique())
    }

    fn creation(&self, name: &str) -> HttpRequest {
        HttpRequest::new("POST", "/api/movies").json(&movie(name)).bearer(&self.owner.token)
    }

    async fn movie(&mut self) -> Result<String> {
        let name = self.movie_name();
        self.movie_called(&name).await
    }

    /// Creates a movie with this name, and gives its id.
    pub async fn movie_called(&mut self, name: &str) -> Result<String> {
        let request = self.creation(name);
        text(&self.ask("create-movie", LEAST_COST, &request).await?, "id")
    }

    /// The system with the data.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }

    fn signup(&mut self) -> (Person, HttpRequest) {
        let number = self.unique();
        let email = format!("person{number}@example.com");
        let password = format!("a bag full of old movies {number}");
        let body = json!({"email": email, "password": password});
        let request = HttpRequest::new("POST", "/api/auth/signup").json(&body);
        (Person { email, password, ..Person::default() }, request)
    }

    async fn signed_up(&mut self, cost: u32) -> Result<Person> {
        let (person, request) = self.signup();
        self.ask("signup", cost, &request).await?;
        Ok(person)
    }

    /// A new token. The cost is that of the person's hash: at a higher one the login would make a new hash.
    async fn logged_in(&mut self, person: &Person, cost: u32) -> Result<String> {
        text(&self.ask("login", cost, &login(person)).await?, "token")
    }

    /// The one whose hash has this cost.
    async fn known(&mut self, cost: u32) -> Result<Person> {
        if let Some(person) = self.known.get(&cost) {
            return Ok(person.clone());
        }
        let mut person = self.signed_up(cost).await?;
        let items = self.system.database.items(&self.system.table("login", "USERS_TABLE")?)?;
        let item = items.iter().find(|item| item["email"]["S"] == person.email);
        person.hash = text(&item.context("nobody signed up")?["password_hash"], "S")?;
        self.known.insert(cost, person.clone());
        Ok(person)
    }

    /// Somebody who has not done this for the longest time.
    async fn next_in_turn(&mut self, what: &str, cost: u32) -> Result<Person> {
        let key = (what.to_owned(), cost);
        let waiting = self.turns.entry(key.clone()).or_default().len();
        let person = if waiting < PEOPLE { Some(self.signed_up(cost).await?) } else { None };
        let turns = self.turns.entry(key).or_default();
        let person = person.or_else(|| turns.pop_front()).context("nobody takes turns")?;
        turns.push_back(person.clone());
        Ok(person)
    }

    async fn change_of_password(&mut self, cost: u32) -> Result<HttpRequest> {
        let person = self.next_in_turn("change-password", cost).await?;
        let token = self.logged_in(&person, cost).await?;
        let new = format!("a bag full of new movies {}", self.unique());
        let body = json!({"current_password": person.password, "new_password": new});
        let turns = self.turns.get_mut(&("change-password".to_owned(), cost));
        if let Some(person) = turns.and_then(VecDeque::back_mut) {
            person.password = new;
        }
        Ok(HttpRequest::new("PUT", "/api/auth/password").bearer(&token).json(&body))
    }

    /// Nobody is leaving any more.
    fn forget_account_deletions(&self) -> Result<()> {
        let account_deletions = self.system.table("purge-account", "ACCOUNT_DELETIONS_TABLE")?;
        for account_deletion in self.system.database.items(&account_deletions)? {
            self.system.database.delete_item(&account_deletions, json!({"user_id": account_deletion["user_id"]}))?;
        }
        Ok(())
    }

    /// The hourly event, which finds nobody who is leaving, as in most hours.
    fn schedule(&self) -> Result<Value> {
        self.forget_account_deletions()?;
        Ok(json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-01-01T00:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            "detail": {},
        }))
    }
}
