//! Failures of DynamoDB, the network or the process in the middle of an operation.

mod killed;
mod lasting;
mod lost;
mod passing;
mod reasons;
mod refused;
mod stale;

use std::{collections::BTreeSet, time::Duration};

use local::{
    fault_proxy::{Fault, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};

use crate::{
    operations,
    test_app::{
        ACCOUNT_DELETIONS, NEW_PASSWORD, Owner, PASSWORD, TestApp, TestUser, delete, forgot_password, get,
        movie, movie_path, post, put, reset_password,
    },
};

/// A way through an operation that makes different requests to DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Signup,
    Login,
    /// An operation that changes nothing, by its name.
    Read(&'static str),
    CreateMovie,
    /// An update with another name.
    RenameMovie,
    /// An update with the same name in another spelling.
    RespellMovie,
    /// An update without a name.
    UpdateDetails,
    DeleteMovie,
    ChangePassword,
    /// A change in a deployment without mails.
    ChangePasswordQuietly,
    ForgotPassword,
    ResetPassword,
    Logout,
    DeleteAccount,
}

/// The scenarios that are not [`Scenario::Read`].
const OTHER_SCENARIOS: [Scenario; 13] = [
    Scenario::Signup,
    Scenario::Login,
    Scenario::CreateMovie,
    Scenario::RenameMovie,
    Scenario::RespellMovie,
    Scenario::UpdateDetails,
    Scenario::DeleteMovie,
    Scenario::ChangePassword,
    Scenario::ChangePasswordQuietly,
    Scenario::ForgotPassword,
    Scenario::ResetPassword,
    Scenario::Logout,
    Scenario::DeleteAccount,
];

/// Returns every scenario: those above, and one for each other operation that only reads.
fn scenarios() -> Vec<Scenario> {
    let reads = operations::described()
        .filter(|operation| !operation.writes() && operation.name != "login")
        .map(|operation| Scenario::Read(operation.name));
    OTHER_SCENARIOS.into_iter().chain(reads).collect()
}

/// Returns the operations that have a scenario.
pub fn covered_operations() -> BTreeSet<&'static str> {
    scenarios().into_iter().map(Scenario::operation).collect()
}

impl Scenario {
    fn operation(self) -> &'static str {
        match self {
            Self::Signup => "signup",
            Self::Login => "login",
            Self::Read(operation) => operation,
            Self::CreateMovie => "create-movie",
            Self::RenameMovie | Self::RespellMovie | Self::UpdateDetails => "update-movie",
            Self::DeleteMovie => "delete-movie",
            Self::ChangePassword | Self::ChangePasswordQuietly => "change-password",
            Self::ForgotPassword => "forgot-password",
            Self::ResetPassword => "reset-password",
            Self::Logout => "logout",
            Self::DeleteAccount => "delete-account",
        }
    }

    /// Returns the actions of the requests that the scenario makes when nothing goes wrong. Where passwords are
    /// checked, some of them are concurrent and come in any order.
    fn requests(self) -> Vec<&'static str> {
        let call = match self {
            Self::RenameMovie => 2,
            Self::RespellMovie => 1,
            _ => 0,
        };
        let calls = (operations::find(self.operation()).calls)(&Owner::default());
        let requests = calls[call].round_trips.iter().copied().flatten();
        let actions = requests.filter_map(|request| request.split([' ', ':']).next());
        match self {
            // The change is the only write, so it is no transaction.
            Self::ChangePasswordQuietly => actions
                .map(|action| if action == "TransactWriteItems" { "UpdateItem" } else { action })
                .collect(),
            _ => actions.collect(),
        }
    }

    /// Returns the indexes of the requests that meet a fault: all of them, but of a password change only one of
    /// identical concurrent ones, and none that it has in common with a login.
    fn places(self) -> Vec<usize> {
        match self {
            Self::ChangePassword | Self::ChangePasswordQuietly => vec![0, 4, 6],
            _ => (0..self.requests().len()).collect(),
        }
    }

    /// Returns the action of a request and its index among the requests with the same action.
    fn kind(self, index: usize) -> (&'static str, usize) {
        let requests = self.requests();
        let kind = requests[index];
        (kind, requests[..index].iter().filter(|request| **request == kind).count())
    }

    /// Returns the number of items in the transaction.
    fn transaction_items(self) -> usize {
        match self {
            Self::Signup | Self::DeleteAccount | Self::ChangePassword => 2,
            Self::ResetPassword => 4,
            _ => 3,
        }
    }

    /// Returns whether it changes anything other than the counters of password attempts.
    fn writes(self) -> bool {
        !matches!(self, Self::Login | Self::Read(_))
    }

    /// Returns the status of a success.
    fn success(self) -> u16 {
        operations::find(self.operation()).success()
    }

    /// Returns whether it changes the account of a user. Then each case has its own user.
    fn is_of_account(self) -> bool {
        matches!(
            self,
            Self::ChangePassword
                | Self::ChangePasswordQuietly
                | Self::ForgotPassword
                | Self::ResetPassword
                | Self::Logout
                | Self::DeleteAccount
        )
    }

    /// Returns whether none of its requests are concurrent.
    fn is_sequential(self) -> bool {
        !matches!(self, Self::Login | Self::ChangePassword | Self::ChangePasswordQuietly)
    }

    /// Sorts the requests if their order may differ.
    fn in_order(self, mut requests: Vec<String>) -> Vec<String> {
        if !self.is_sequential() {
            requests.sort();
        }
        requests
    }
}

/// A system with a user, and as many cases of one scenario as a test needs, each with its own email or movie.
struct FaultTest {
    app: TestApp,
    scenario: Scenario,
    ann: TestUser,
}

/// One request, and the data that shows whether it took effect.
struct Case {
    number: usize,
    request: HttpRequest,
    /// The user who sends it.
    user: TestUser,
    /// The path of the movie, if it exists before the request.
    url: String,
}

impl FaultTest {
    async fn new(scenario: Scenario) -> Self {
        let without_mails: &[_] = &[("OUTBOX_TABLE", "")];
        let overrides = if scenario == Scenario::ChangePasswordQuietly { without_mails } else { &[] };
        let app = TestApp::start_with(1, overrides).await;
        let ann = app.create_user("ann").await;
        Self { app, scenario, ann }
    }

    /// Returns the next case, and creates what it needs.
    async fn case(&self, number: usize) -> Case {
        if let Scenario::Read(name) = self.scenario {
            let operation = operations::find(name);
            let owner = self.app.create_movie_of(&self.ann, &format!("Old {number}")).await;
            let request = operation.request(&owner, &(operation.calls)(&owner)[0]);
            return Case { number, request, url: owner.movie_path(), user: owner.user };
        }
        let mut url = String::new();
        let user = if self.scenario.is_of_account() {
            self.app.create_user(&format!("case{number}")).await
        } else {
            self.ann.clone()
        };
        if !matches!(self.scenario, Scenario::Signup | Scenario::Login | Scenario::CreateMovie)
            && !self.scenario.is_of_account()
        {
            let movie = self.app.create_movie(&self.ann, &format!("Old {number}")).await;
            url = movie_path(&movie);
        }
        let request = match self.scenario {
            Scenario::Signup => {
                let body = json!({"email": format!("case{number}@example.com"), "password": PASSWORD});
                post("/api/auth/signup", &body)
            }
            Scenario::Login => {
                post("/api/auth/login", &json!({"email": self.ann.email, "password": PASSWORD}))
            }
            Scenario::Read(operation) => unreachable!("{operation} is handled above"),
            Scenario::CreateMovie => post("/api/movies", &movie(&format!("New {number}"))),
            Scenario::RenameMovie => put(&url, &json!({"name": format!("New {number}")})),
            Scenario::RespellMovie => put(&url, &json!({"name": format!("OLD {number}")})),
            Scenario::UpdateDetails => put(&url, &json!({"genres": ["Thriller"]})),
            Scenario::DeleteMovie => delete(&url),
            Scenario::ChangePassword | Scenario::ChangePasswordQuietly => {
                let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
                put("/api/auth/password", &body)
            }
            Scenario::ForgotPassword => forgot_password(&user.email),
            Scenario::ResetPassword => reset_password(&self.app.issue_reset_token(&user), NEW_PASSWORD),
            Scenario::Logout => post("/api/auth/logout", &json!({})),
            Scenario::DeleteAccount => delete("/api/auth/account"),
        };
        let request = match self.scenario {
            Scenario::Signup | Scenario::Login | Scenario::ForgotPassword | Scenario::ResetPassword => {
                request
            }
            _ => request.bearer(&user.token),
        };
        Case { number, request, user, url }
    }

    async fn send(&self, case: &Case) -> HttpResponse {
        self.app.send(case.request.clone()).await
    }

    /// Makes this many requests of the same action meet the fault, from the request with this index on.
    fn inject(&self, fault: Fault, index: usize, times: usize) {
        let (kind, before) = self.scenario.kind(index);
        let rule = Rule { times, ..Rule::once(fault) };
        self.app.proxy.inject(rule.from(self.scenario.operation()).on(kind).after(before));
    }

    /// Returns the actions of the operation's requests since the calls were cleared.
    fn requests(&self) -> Vec<String> {
        let calls = self.app.proxy.calls_of(self.scenario.operation());
        self.scenario.in_order(calls.into_iter().map(|call| call.operation).collect())
    }

    /// Returns the actions of a success, with one of them twice.
    fn expected_requests(&self, twice: Option<usize>) -> Vec<String> {
        let mut expected: Vec<String> = self.scenario.requests().iter().map(ToString::to_string).collect();
        if let Some(index) = twice {
            expected.insert(index, expected[index].clone());
        }
        self.scenario.in_order(expected)
    }

    /// Returns whether a case took effect, as other operations see it.
    async fn took_effect(&self, case: &Case) -> bool {
        let shown = || async { self.app.send(get(&case.url)).await.json() };
        match self.scenario {
            Scenario::Signup => {
                let email = format!("case{}@example.com", case.number);
                self.app.log_in(&email, PASSWORD).await.status == 200
            }
            Scenario::CreateMovie => {
                let list = self.app.send(get("/api/movies")).await.json();
                let named = |movie: &&Value| movie["name"] == format!("New {}", case.number);
                list.as_array().expect("a list").iter().filter(named).count() == 1
            }
            Scenario::RenameMovie => shown().await["name"] == format!("New {}", case.number),
            Scenario::RespellMovie => shown().await["name"] == format!("OLD {}", case.number),
            Scenario::UpdateDetails => shown().await["genres"] == json!(["Thriller"]),
            Scenario::DeleteMovie => shown().await["code"] == "movie_not_found",
            Scenario::ChangePassword | Scenario::ChangePasswordQuietly | Scenario::ResetPassword => {
                let notices = usize::from(self.scenario != Scenario::ChangePasswordQuietly);
                self.mails_of(case) == notices
                    && self.app.log_in(&case.user.email, NEW_PASSWORD).await.status == 200
            }
            Scenario::ForgotPassword => self.mails_of(case) > 0,
            Scenario::Logout => self.app.get_account(&case.user.token).await.status == 401,
            Scenario::DeleteAccount => {
                let account_deletions = self.app.database.items(ACCOUNT_DELETIONS).expect("items");
                account_deletions
                    .iter()
                    .any(|account_deletion| account_deletion["user_id"]["S"] == case.user.id)
                    && self.app.get_account(&case.user.token).await.status == 401
            }
            Scenario::Login | Scenario::Read(_) => true,
        }
    }

    /// Returns the number of mails in the outbox to the user of a case.
    fn mails_of(&self, case: &Case) -> usize {
        self.app.outbox().iter().filter(|mail| mail["email"]["S"] == case.user.email).count()
    }

    fn name(&self) -> String {
        format!("{:?}", self.scenario)
    }
}

/// Panics unless the response is this error, with `retry-after` exactly if the contract promises it.
fn assert_problem(response: &HttpResponse, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(response.json()["code"], code, "{}", response.body);
    assert_eq!(
        response.header("retry-after").is_some(),
        [429, 503].contains(&status),
        "{:?}",
        response.headers
    );
}

/// Waits until a condition holds that may come true a moment after a response; `what` names it.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let polling = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), polling).await;
    waited.unwrap_or_else(|_| panic!("{what} did not come within 10 s"));
}
