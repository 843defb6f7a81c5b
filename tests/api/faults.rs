//! What happens when DynamoDB, the network or the process fails in the middle of an operation.

mod killed;
mod lasting;
mod lost;
mod passing;
mod reasons;
mod refused;
mod stale;

use std::time::Duration;

use local::{
    fault_proxy::{Fault, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};

use crate::bag::{Bag, PASSWORD, Person, delete, get, movie, post, put};

/// A way through an operation that makes requests to DynamoDB of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Signup,
    Login,
    List,
    Get,
    Create,
    /// An update with another name.
    Rename,
    /// An update with the same name in another spelling.
    Respell,
    /// An update without a name.
    Details,
    Delete,
}

const PATHS: [Path; 9] = [
    Path::Signup,
    Path::Login,
    Path::List,
    Path::Get,
    Path::Create,
    Path::Rename,
    Path::Respell,
    Path::Details,
    Path::Delete,
];

impl Path {
    fn operation(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Login => "login",
            Self::List => "list-movies",
            Self::Get => "get-movie",
            Self::Create => "create-movie",
            Self::Rename | Self::Respell | Self::Details => "update-movie",
            Self::Delete => "delete-movie",
        }
    }

    /// The requests that it makes when nothing goes wrong.
    fn requests(self) -> &'static [&'static str] {
        match self {
            Self::Signup => &["TransactWriteItems"],
            Self::Login => &["GetItem", "GetItem"],
            Self::List => &["Query"],
            Self::Get => &["GetItem"],
            Self::Create => &["GetItem", "TransactWriteItems"],
            Self::Rename | Self::Delete => &["GetItem", "GetItem", "TransactWriteItems"],
            Self::Respell => &["GetItem", "GetItem", "UpdateItem"],
            Self::Details => &["GetItem", "UpdateItem"],
        }
    }

    /// How many items its transaction has.
    fn transaction_items(self) -> usize {
        if self == Self::Signup { 2 } else { 3 }
    }

    fn writes(self) -> bool {
        !matches!(self, Self::Login | Self::List | Self::Get)
    }
}

/// A system with a user, and as many cases of one path as a test needs: each with an email or a movie of its own.
struct Stage {
    bag: Bag,
    path: Path,
    ann: Person,
}

/// One request, and what tells whether it took effect.
struct Case {
    number: usize,
    request: HttpRequest,
    /// The movie's, if there is one before.
    url: String,
}

impl Stage {
    async fn new(path: Path) -> Self {
        let bag = Bag::start().await;
        let ann = bag.person("ann").await;
        Self { bag, path, ann }
    }

    /// The next case. What it needs is in the tables already.
    async fn case(&self, number: usize) -> Case {
        let mut url = String::new();
        if !matches!(self.path, Path::Signup | Path::Login | Path::Create) {
            let movie = self.bag.movie(&self.ann, &format!("Old {number}")).await;
            url = format!("/api/movies/{}", movie["id"].as_str().expect("an id"));
        }
        let request = match self.path {
            Path::Signup => {
                let body = json!({"email": format!("case{number}@example.com"), "password": PASSWORD});
                post("/api/auth/signup", &body)
            }
            Path::Login => post("/api/auth/login", &json!({"email": self.ann.email, "password": PASSWORD})),
            Path::List => get("/api/movies"),
            Path::Get => get(&url),
            Path::Create => post("/api/movies", &movie(&format!("New {number}"))),
            Path::Rename => put(&url, &json!({"name": format!("New {number}")})),
            Path::Respell => put(&url, &json!({"name": format!("OLD {number}")})),
            Path::Details => put(&url, &json!({"genres": ["Thriller"]})),
            Path::Delete => delete(&url),
        };
        let request = match self.path {
            Path::Signup | Path::Login | Path::List | Path::Get => request,
            Path::Create | Path::Rename | Path::Respell | Path::Details | Path::Delete => {
                request.bearer(&self.ann.token)
            }
        };
        Case { number, request, url }
    }

    async fn send(&self, case: &Case) -> HttpResponse {
        self.bag.send(case.request.clone()).await
    }

    /// From the request with this index on, so many requests of the operation meet the fault.
    fn inject(&self, fault: Fault, index: usize, times: usize) {
        self.bag.proxy.inject(Rule { times, ..Rule::once(fault) }.from(self.path.operation()).after(index));
    }

    /// The requests of the operation since the calls were cleared.
    fn requests(&self) -> Vec<String> {
        self.bag.proxy.calls_of(self.path.operation()).into_iter().map(|call| call.operation).collect()
    }

    /// Whether a case took effect, as other operations see it.
    async fn took_effect(&self, case: &Case) -> bool {
        let shown = || async { self.bag.send(get(&case.url)).await.json() };
        match self.path {
            Path::Signup => {
                let email = format!("case{}@example.com", case.number);
                self.bag.log_in(&email, PASSWORD).await.status == 200
            }
            Path::Create => {
                let list = self.bag.send(get("/api/movies")).await.json();
                let named = |movie: &&Value| movie["name"] == format!("New {}", case.number);
                list.as_array().expect("a list").iter().filter(named).count() == 1
            }
            Path::Rename => shown().await["name"] == format!("New {}", case.number),
            Path::Respell => shown().await["name"] == format!("OLD {}", case.number),
            Path::Details => shown().await["genres"] == json!(["Thriller"]),
            Path::Delete => shown().await["code"] == "movie_not_found",
            Path::Login | Path::List | Path::Get => true,
        }
    }

    fn name(&self) -> String {
        format!("{:?}", self.path)
    }
}

/// Asserts a refusal that tells a client nothing but what the contract says.
fn assert_problem(response: &HttpResponse, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(response.json()["code"], code, "{}", response.body);
    assert_eq!(response.header("retry-after").is_some(), status == 503, "{:?}", response.headers);
}

/// Waits for something that comes a moment after a response, such as a log line.
async fn until(condition: impl Fn() -> bool) {
    let polling = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), polling).await.expect("it does not come");
}
