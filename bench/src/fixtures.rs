//! The data that measured requests are about, and these requests. The functions themselves make the data: before a
//! measured process starts, users sign up and log in, and movies are created.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{database::Storage, gateway::HttpRequest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    catalog::{self, Model},
    process::Instance,
    subject::{BARE_BCRYPT, LEAST_COST, Subject},
    system::System,
};

/// How many movies most measurements read from. Movies that they create come on top.
pub const MOVIES: usize = 100;

/// A system with data in it.
pub struct Fixtures {
    pub system: System,
    /// Warm functions that make data, by operation and cost.
    helpers: BTreeMap<(String, u32), Instance>,
    /// The token of the user who adds all movies.
    owner_token: String,
    /// The ids of their movies; the next one to read or change is at the front.
    movies: VecDeque<String>,
    /// Users who log in again and again, each with the hash of the password, by its cost.
    known: BTreeMap<u32, (TestUser, String)>,
    count: Cell<usize>,
}

#[derive(Clone)]
struct TestUser {
    email: String,
    password: String,
}

impl Fixtures {
    /// Adds a user and this many of their movies to a system.
    pub async fn new(system: System, movies: usize) -> Result<Self> {
        let mut fixtures = Self {
            system,
            helpers: BTreeMap::new(),
            owner_token: String::new(),
            movies: VecDeque::new(),
            known: BTreeMap::new(),
            count: Cell::new(0),
        };
        fixtures.owner_token = fixtures.logged_in(LEAST_COST).await?.1;
        for _ in 0..movies {
            let movie = fixtures.movie_called(&fixtures.movie_name()).await?;
            fixtures.movies.push_back(movie);
        }
        Ok(fixtures)
    }

    /// Returns an event to which a subject responds with success, once.
    pub async fn event(&mut self, subject: &Subject) -> Result<Value> {
        let request = match subject.request.as_str() {
            "get-movie" => {
                self.movies.rotate_left(1);
                HttpRequest::new("GET", &format!("/api/movies/{}", self.movies[0]))
            }
            // A page that fits on a screen.
            "list-movies" => HttpRequest::new("GET", "/api/movies?limit=20"),
            "get-account" => HttpRequest::new("GET", "/api/auth/account").bearer(&self.owner_token),
            "create-movie" => self.creation(&self.movie_name()),
            "update-movie, name" => self.update(&movie(&self.movie_name())),
            "update-movie, casts and genres" => {
                let casts = json!(["Tim Robbins", "Morgan Freeman", format!("Extra {}", self.unique())]);
                self.update(&json!({"casts": casts, "genres": ["Drama"]}))
            }
            "delete-movie" => {
                let path = format!("/api/movies/{}", self.movie_called(&self.movie_name()).await?);
                HttpRequest::new("DELETE", &path).bearer(&self.owner_token)
            }
            "signup" => credentials("signup", &self.user()),
            "login" => credentials("login", &self.known(subject.cost).await?.0),
            "logout" => {
                HttpRequest::new("POST", "/api/auth/logout").bearer(&self.logged_in(LEAST_COST).await?.1)
            }
            "change-password" => {
                let (user, token) = self.logged_in(subject.cost).await?;
                let body =
                    json!({"current_password": user.password, "new_password": "a bag full of new movies"});
                HttpRequest::new("PUT", "/api/auth/password").bearer(&token).json(&body)
            }
            // Each request has a source address of its own, because an address may send only twenty in an hour.
            "forgot-password" => HttpRequest::new("POST", "/api/auth/forgot")
                .json(&json!({"email": self.user().email}))
                .source_ip(format!("2001:db8:0:{:x}::1", self.unique())),
            "reset-password" => {
                let token = self.reset_token(subject.cost).await?;
                let body = json!({"reset_token": token, "password": "a bag full of new movies"});
                HttpRequest::new("POST", "/api/auth/reset").json(&body)
            }
            "delete-account" => {
                HttpRequest::new("DELETE", "/api/auth/account").bearer(&self.logged_in(LEAST_COST).await?.1)
            }
            "api-docs" => HttpRequest::new("GET", "/api/docs"),
            "purge-account" => {
                self.forget("AccountDeletionsTable", "user_id")?;
                return Ok(schedule());
            }
            "send-mail" => {
                self.forget("OutboxTable", "id")?;
                return Ok(schedule());
            }
            other => bail!("there is no event for {other}: add one to bench/src/fixtures.rs"),
        };
        self.system.event(&request)
    }

    /// Starts a process of a subject, with the variables that depend on the data.
    pub async fn launch(&mut self, subject: &Subject) -> Result<Instance> {
        let mut more = Vec::new();
        if subject.program == BARE_BCRYPT {
            let (TestUser { password, .. }, hash) = self.known(subject.cost).await?;
            more.extend([("PASSWORD".to_owned(), password), ("PASSWORD_HASH".to_owned(), hash)]);
        }
        // Measurements may have added some since the event was made.
        match subject.operation.as_str() {
            "purge-account" => self.forget("AccountDeletionsTable", "user_id")?,
            "send-mail" => self.forget("OutboxTable", "id")?,
            _ => {}
        }
        self.system.launch(subject, &more).await
    }

    /// Creates a movie with this name, and returns its id.
    async fn movie_called(&mut self, name: &str) -> Result<String> {
        let request = self.creation(name);
        text(&self.ask("create-movie", LEAST_COST, &request).await?, "id")
    }

    /// Sends a request through a warm process of an operation and returns the body of the response.
    async fn ask(&mut self, operation: &str, cost: u32, request: &HttpRequest) -> Result<Value> {
        let helper = (operation.to_owned(), cost);
        if !self.helpers.contains_key(&helper) {
            let instance = self.system.launch(&Subject::new(operation, operation, cost), &[]).await?;
            self.helpers.insert(helper.clone(), instance);
        }
        let event = self.system.event(request)?;
        let instance = self.helpers.get_mut(&helper).context("it was just inserted")?;
        let response = instance.invoke(&event).await?.response;
        Ok(serde_json::from_str(response["body"].as_str().unwrap_or_default())?)
    }

    fn unique(&self) -> usize {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    /// Returns a name that no movie has. It is late in the alphabet, so that a page from the first half of a large
    /// catalog stays the same while movies are created.
    fn movie_name(&self) -> String {
        format!("The Movie of Measured Length, Part {}", self.unique())
    }

    fn creation(&self, name: &str) -> HttpRequest {
        HttpRequest::new("POST", "/api/movies").json(&movie(name)).bearer(&self.owner_token)
    }

    fn update(&self, changes: &Value) -> HttpRequest {
        let path = format!("/api/movies/{}", self.movies[0]);
        HttpRequest::new("PUT", &path).json(changes).bearer(&self.owner_token)
    }

    fn user(&self) -> TestUser {
        let number = self.unique();
        let email = format!("user{number}@example.com");
        TestUser { email, password: format!("a bag full of old movies {number}") }
    }

    async fn signed_up(&mut self, cost: u32) -> Result<TestUser> {
        let user = self.user();
        self.ask("signup", cost, &credentials("signup", &user)).await?;
        Ok(user)
    }

    /// Returns a new user and a token. Both functions hash at this cost, because a login renews a hash of another cost.
    async fn logged_in(&mut self, cost: u32) -> Result<(TestUser, String)> {
        let user = self.signed_up(cost).await?;
        let token = text(&self.ask("login", cost, &credentials("login", &user)).await?, "token")?;
        Ok((user, token))
    }

    /// Returns the user whose hash has this cost, and the hash.
    async fn known(&mut self, cost: u32) -> Result<(TestUser, String)> {
        if let Some(known) = self.known.get(&cost) {
            return Ok(known.clone());
        }
        let user = self.signed_up(cost).await?;
        let items = self.system.database.items(self.system.table("UsersTable")?)?;
        let item = items.iter().find(|item| item["email"]["S"] == user.email);
        let hash = text(&item.context("the user is missing")?["password_hash"], "S")?;
        self.known.insert(cost, (user.clone(), hash.clone()));
        Ok((user, hash))
    }

    /// Returns a reset token of a new user, whose hash has this cost.
    async fn reset_token(&mut self, cost: u32) -> Result<String> {
        let user = self.user();
        let id = text(&self.ask("signup", cost, &credentials("signup", &user)).await?, "id")?;
        let token = format!("{:0>32}", self.unique());
        let item = json!({
            "token_hash": {"S": URL_SAFE_NO_PAD.encode(Sha256::digest(&token))},
            "user_id": {"S": id},
            "session_epoch": {"N": "0"},
            // In the year 2100.
            "expires_at": {"N": "4102444800"},
        });
        self.system.database.put_item(self.system.table("PasswordResetsTable")?, item)?;
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Deletes all items of a table with this key, so that the hourly run of its function finds none.
    fn forget(&self, table: &str, key: &str) -> Result<()> {
        let table = self.system.table(table)?;
        for item in self.system.database.items(table)? {
            self.system.database.delete_item(table, json!({key: item[key]}))?;
        }
        Ok(())
    }
}

/// Returns the model of a catalog: a movie that `create-movie` makes in a system of its own beside this one.
pub async fn model(system: &System) -> Result<Model> {
    let mut scratch = Fixtures::new(system.beside(Storage::Memory).await?, 0).await?;
    scratch.movie_called(&catalog::name(0)).await?;
    Model::of(&scratch.system.database.items(system.table("MoviesTable")?)?)
}

/// Returns the body that creates a movie or gives it another name.
fn movie(name: &str) -> Value {
    json!({"name": name, "casts": ["Tim Robbins", "Morgan Freeman"], "genres": ["Drama"]})
}

/// Returns a request of `signup` or `login`.
fn credentials(operation: &str, user: &TestUser) -> HttpRequest {
    let body = json!({"email": user.email, "password": user.password});
    HttpRequest::new("POST", &format!("/api/auth/{operation}")).json(&body)
}

/// Returns the hourly event. In most hours there is no account to delete and no mail to send.
fn schedule() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {},
    })
}

/// Returns a text of a response.
fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("there is no {field} in {value}"))
}
