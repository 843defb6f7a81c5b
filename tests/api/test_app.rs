//! The system under test: the real functions behind a gateway, with their own database.

mod functions;
mod guards;
pub mod hashing;
mod mails;
mod request_builders;
mod tables;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use local::{
    database::{EmbeddedDatabase, Storage},
    fault_proxy::{Fault, FaultProxy, Gate, Rule, Weather},
    gateway::{Gateway, HttpRequest, HttpResponse},
    mail_service::MailService,
    runtime_api::{Function, FunctionOptions, Outcome},
    template::Template,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub use functions::{binary, usual_value};
pub use mails::{forgot_password, reset_password, token_hash};
pub use request_builders::{delete, get, movie, movie_key, movie_path, post, put, segment};
pub use tables::{etag, stored_version};

use crate::{contract, emf, expect::decompressed};

/// The key with which the functions under test sign.
pub const TOKEN_KEY: &str = "a key for tests alone, which is long enough";

/// A password that may be set.
pub const PASSWORD: &str = "a bag full of old movies";

/// Another password that may be set.
pub const NEW_PASSWORD: &str = "a bag full of new movies";

/// The names of the tables in tests, which are their names in the template.
pub const USERS: &str = "UsersTable";
/// See [`USERS`].
pub const MOVIES: &str = "MoviesTable";
/// See [`USERS`].
pub const ACCOUNT_DELETIONS: &str = "AccountDeletionsTable";
/// See [`USERS`].
pub const PASSWORD_ATTEMPTS: &str = "PasswordAttemptsTable";
/// See [`USERS`].
pub const OUTBOX: &str = "OutboxTable";
/// See [`USERS`].
pub const PASSWORD_RESETS: &str = "PasswordResetsTable";

/// The most times that a client sends a request in a storm.
const MAX_ATTEMPTS: usize = 10;

/// A complete system: an empty database in memory, a proxy that records requests and injects faults, a mail service that
/// does the same, and the functions, each started when it is first called.
pub struct TestApp {
    pub template: Template,
    pub database: EmbeddedDatabase,
    pub proxy: FaultProxy,
    pub mail_service: MailService,
    gateway: Gateway,
    functions: BTreeMap<String, OnceCell<Arc<Function>>>,
    instances: usize,
    overrides: Vec<(String, String)>,
    /// Whether the weather is a storm, in which clients must retry requests.
    pub in_storm: bool,
    /// The passwords, tokens and emails that were sent or received. None of them may be in a log.
    secrets: Mutex<Vec<String>>,
}

/// A user who has signed up and logged in.
#[derive(Clone, Default)]
pub struct TestUser {
    pub id: String,
    pub email: String,
    pub token: String,
}

/// A user with a movie of their own.
#[derive(Default)]
pub struct Owner {
    pub user: TestUser,
    pub movie_id: String,
    pub movie_name: String,
    /// Empty unless a test has issued one.
    pub reset_token: String,
}

impl Owner {
    /// Returns the path of the movie.
    pub fn movie_path(&self) -> String {
        format!("/api/movies/{}", self.movie_id)
    }
}

impl TestApp {
    /// Starts a system with one instance of each function.
    pub async fn start() -> Self {
        Self::start_with(1, &[]).await
    }

    /// Starts a system whose functions log JSON, as they do on Lambda.
    pub async fn start_with_json_logs() -> Self {
        Self::start_with(1, &[emf::JSON]).await
    }

    /// Starts a system with this many instances of each function, and with other values of some environment variables.
    pub async fn start_with(instances: usize, overrides: &[(&str, &str)]) -> Self {
        let template = Template::load("template.yaml").expect("template.yaml is readable");
        let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
        database.create_tables(template.tables()).expect("tables");
        let proxy = FaultProxy::start(database.endpoint()).await.expect("a proxy");
        let mail_service = MailService::start(|_| {}).await.expect("a mail service");
        let functions = template.functions().iter().map(|f| (f.operation.clone(), OnceCell::new())).collect();
        let overrides =
            overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let gateway = Gateway::new(&template);
        let secrets = Mutex::default();
        let in_storm = false;
        Self {
            template,
            database,
            proxy,
            mail_service,
            gateway,
            functions,
            instances,
            overrides,
            in_storm,
            secrets,
        }
    }

    /// Starts a system with this many instances of each function, and with a database that behaves as DynamoDB in this
    /// weather, which is not calm.
    pub async fn start_in(weather: Weather, instances: usize) -> Self {
        let mut app = Self::start_with(instances, &[]).await;
        app.in_storm = true;
        let weather = app.proxy.set_weather(weather, &app.database, app.template.tables());
        weather.await.expect("the weather changes");
        app
    }

    /// Starts a system whose functions use the empty database at `endpoint`, which is another implementation of
    /// `DynamoDB`. Methods that read or write tables directly still use the embedded database.
    pub async fn start_on(endpoint: &str) -> Self {
        let mut app = Self::start().await;
        app.proxy = FaultProxy::start(endpoint).await.expect("a proxy");
        for table in app.template.tables() {
            app.proxy.request("CreateTable", &table.creation()).await.expect("a table");
        }
        app
    }

    /// Returns the function of an operation, started with exactly the variables that the template gives it.
    pub async fn function(&self, operation: &str) -> Arc<Function> {
        let started =
            self.functions.get(operation).unwrap_or_else(|| panic!("template.yaml has no {operation}"));
        started.get_or_init(|| self.start_function(operation, self.instances)).await.clone()
    }

    /// Starts this many instances of a function, which must not run yet, and waits until all are ready.
    pub async fn start_many(&self, operation: &str, instances: usize) {
        let function =
            self.functions[operation].get_or_init(|| self.start_function(operation, instances)).await;
        function.ready().await.expect("every instance is ready");
        assert_eq!(function.running_instances(), instances, "{operation} ran already, or has ended");
    }

    /// Kills every process of a function. The next request starts a new one.
    pub async fn kill(&mut self, operation: &str) {
        let killed = self.functions.get_mut(operation).and_then(OnceCell::take);
        killed.unwrap_or_else(|| panic!("{operation} does not run")).kill().await;
    }

    /// Restarts functions with other values of some environment variables. Functions that start later get them, too.
    pub async fn redeploy(&mut self, operations: &[&str], overrides: &[(&str, &str)]) {
        self.assert_no_secret_was_logged();
        self.overrides =
            overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for operation in operations {
            if let Some(running) = self.functions.get_mut(*operation).and_then(OnceCell::take) {
                running.kill().await;
            }
        }
    }

    async fn start_function(&self, operation: &str, instances: usize) -> Arc<Function> {
        let options = FunctionOptions { instances, ..self.options(operation) };
        Arc::new(Function::start(options).await.expect("the function starts"))
    }

    /// Returns the options of one instance of a function, for tests that start it differently.
    pub fn options(&self, operation: &str) -> FunctionOptions {
        let defined = self.template.function(operation).expect("a function");
        let mut environment = vec![
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.proxy.endpoint_for(operation)),
            ("AWS_ENDPOINT_URL_SESV2".to_owned(), self.mail_service.endpoint()),
        ];
        for name in defined.environment.keys() {
            let usual = usual_value(name);
            let value =
                self.overrides.iter().find(|(other, _)| other == name).map_or(usual, |(_, value)| value);
            environment.push((name.clone(), value.to_owned()));
        }
        // The template never has the variables that Lambda sets.
        environment
            .extend(self.overrides.iter().filter(|(name, _)| name.starts_with("AWS_LAMBDA_")).cloned());
        FunctionOptions {
            environment,
            timeout: defined.timeout,
            memory_megabytes: defined.memory_megabytes,
            ..FunctionOptions::new(operation, binary(operation))
        }
    }

    /// Sends a request through the gateway. Checks the response against `openapi.yaml` and for secrets.
    pub async fn send(&self, request: HttpRequest) -> HttpResponse {
        let (operation, event) = self.event(&request);
        self.send_event(&operation, &event).await
    }

    /// Sends a request. In a storm, retries it while the response is 429 `too_many_concurrent_writes` or 503 `unavailable`,
    /// as a client does, but at once. A storm loses no response, so these mean that nothing was changed, unless the machine
    /// is so busy that a request exceeds its time limit.
    pub async fn send_with_retries(&self, request: HttpRequest) -> HttpResponse {
        for _ in 0..MAX_ATTEMPTS {
            let response = self.send(request.clone()).await;
            let code = response.json()["code"].clone();
            let is_temporary = code == "too_many_concurrent_writes" || code == "unavailable";
            if !(self.in_storm && is_temporary) {
                return response;
            }
            assert!(response.header("retry-after").is_some(), "{response:?}");
        }
        panic!("{MAX_ATTEMPTS} attempts to send {request:?} failed")
    }

    /// Returns the operation of a request, and the event that the gateway makes of it.
    pub fn event(&self, request: &HttpRequest) -> (String, Value) {
        self.gateway.event(request).expect("a route of the template")
    }

    /// Invokes an operation with an event of [`TestApp::event`], and checks the response.
    pub async fn send_event(&self, operation: &str, event: &Value) -> HttpResponse {
        self.record_secrets(event);
        let response = self.invoke(operation, event).await;
        contract::check(operation, &response);
        response
    }

    /// Invokes a function with an event. Panics unless it returns an HTTP response.
    pub async fn invoke(&self, operation: &str, event: &Value) -> HttpResponse {
        let outcome = self.function(operation).await.invoke(event).await;
        let Outcome::Response(_) = &outcome else { panic!("{operation} returned {outcome:?}") };
        let response = HttpResponse::from_outcome(&outcome);
        let body = decompressed(&response).body;
        for secret in [PASSWORD, TOKEN_KEY, "$2b$"] {
            assert!(!body.contains(secret), "{operation} shows a secret: {body}");
        }
        if let Some(token) = response.json()["token"].as_str() {
            self.record_secret(token);
        }
        response
    }

    /// Signs up with [`PASSWORD`], and returns the response.
    pub async fn sign_up(&self, email: &str) -> HttpResponse {
        self.send(post("/api/auth/signup", &json!({"email": email, "password": PASSWORD}))).await
    }

    /// Logs in, and returns the response.
    pub async fn log_in(&self, email: &str, password: &str) -> HttpResponse {
        self.send(post("/api/auth/login", &json!({"email": email, "password": password}))).await
    }

    /// Logs in with [`PASSWORD`], and returns the token.
    pub async fn new_token(&self, email: &str) -> String {
        let response = self.log_in(email, PASSWORD).await;
        response.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {}", response.body)).to_owned()
    }

    /// Reads the account of this token's user, and returns the response.
    pub async fn get_account(&self, token: &str) -> HttpResponse {
        self.send(get("/api/auth/account").bearer(token)).await
    }

    /// Creates a user, and logs in.
    pub async fn create_user(&self, name: &str) -> TestUser {
        let email = format!("{name}@example.com");
        let id = self.sign_up(&email).await.json()["id"].as_str().expect("an id").to_owned();
        let token = self.new_token(&email).await;
        TestUser { id, email, token }
    }

    /// Creates a user with a movie. Both names contain `name`.
    pub async fn create_owner(&self, name: &str) -> Owner {
        let user = self.create_user(name).await;
        self.create_movie_of(&user, &format!("The movie of {name}")).await
    }

    /// Creates a movie with this name, and returns it with its owner.
    pub async fn create_movie_of(&self, user: &TestUser, movie_name: &str) -> Owner {
        let movie_id = self.create_movie(user, movie_name).await["id"].as_str().expect("an id").to_owned();
        Owner { user: user.clone(), movie_id, movie_name: movie_name.to_owned(), reset_token: String::new() }
    }

    /// Creates a movie with this name, and returns the response's JSON.
    pub async fn create_movie(&self, owner: &TestUser, name: &str) -> Value {
        let response = self.send(post("/api/movies", &movie(name)).bearer(&owner.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    }

    /// Returns the items of a table whose partition key begins with `prefix`, in the order of keys.
    pub fn items(&self, table: &str, prefix: &str) -> Vec<Value> {
        let mut items = self.database.items(table).expect("items");
        items.sort_by_key(|item| item["pk"]["S"].as_str().map(str::to_owned));
        items
            .into_iter()
            .filter(|item| item["pk"]["S"].as_str().is_some_and(|key| key.starts_with(prefix)))
            .collect()
    }

    /// Returns the number of items whose partition key begins with `prefix`.
    pub fn count(&self, table: &str, prefix: &str) -> usize {
        self.items(table, prefix).len()
    }

    /// Sends a request, and calls `meanwhile` while its first DynamoDB request with this action is held.
    pub async fn send_interrupted(
        &self,
        request: HttpRequest,
        operation: &str,
        meanwhile: impl FnOnce(),
    ) -> HttpResponse {
        let gate = Gate::new();
        self.proxy.inject(Rule::once(Fault::Hold(gate.clone())).on(operation));
        let mut sending = std::pin::pin!(self.send(request));
        tokio::select! {
            response = &mut sending => panic!("no {operation} was made before the response {response:?}"),
            () = gate.reached() => meanwhile(),
        }
        gate.open();
        sending.await
    }

    /// Returns all log lines of all functions so far.
    pub fn logs(&self) -> Vec<String> {
        self.functions.values().filter_map(OnceCell::get).flat_map(|function| function.logs()).collect()
    }

    /// Waits for a log line with this text, which may arrive a moment after the response.
    pub async fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_with(&[text]).await
    }

    /// Waits for a log line with all of these texts.
    pub async fn wait_for_log_with(&self, texts: &[&str]) -> String {
        let found = async {
            loop {
                let fits = |line: &String| texts.iter().all(|text| line.contains(text));
                if let Some(line) = self.logs().into_iter().find(fits) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), found).await;
        waited.unwrap_or_else(|_| panic!("no log line has {texts:?}: {:#?}", self.logs()))
    }
}
