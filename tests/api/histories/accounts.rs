//! The account of one email, which several clients use at once.

use std::{cell::RefCell, collections::BTreeSet};

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde_json::json;

use super::{CLIENTS, History, REQUESTS, Specification, change_faults, is_sequence, random, rounds};
use crate::{
    consistency::assert_consistent,
    test_app::{NEW_PASSWORD, PASSWORD, delete, get, post, put},
    weather::in_every_weather,
};

/// What is stored about an email.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    #[default]
    None,
    Active {
        id: String,
        password: &'static str,
        /// The tokens of the current session.
        tokens: BTreeSet<String>,
    },
    /// The deletion is requested. It is not carried out during a round.
    Deleting,
}

#[derive(Debug, Clone)]
enum Operation {
    Signup { password: &'static str },
    Login { password: &'static str },
    GetAccount { token: String },
    ChangePassword { token: String, current: &'static str, new: &'static str },
    Logout { token: String },
    DeleteAccount { token: String },
}

#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Id(String),
    Token(String),
    LoggedOut,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    /// The password was not checked.
    TooManyAttempts,
}

impl Specification for Account {
    type Operation = Operation;
    type Outcome = Outcome;

    fn step(&mut self, operation: &Operation, outcome: &Outcome) -> bool {
        let token = match operation {
            Operation::Signup { password } => return self.sign_up(password, outcome),
            Operation::Login { password } => return self.log_in(password, outcome),
            Operation::GetAccount { token }
            | Operation::ChangePassword { token, .. }
            | Operation::Logout { token }
            | Operation::DeleteAccount { token } => token,
        };
        let Self::Active { id, password, tokens } = self else { return *outcome == Outcome::InvalidToken };
        if !tokens.contains(token) {
            return *outcome == Outcome::InvalidToken;
        }
        match operation {
            Operation::ChangePassword { current, new, .. } => match outcome {
                Outcome::Token(token) if current == password => {
                    (*password, *tokens) = (new, BTreeSet::from([token.clone()]));
                    true
                }
                Outcome::TooManyAttempts => true,
                _ => current != password && *outcome == Outcome::InvalidCredentials,
            },
            Operation::Logout { .. } => {
                tokens.clear();
                *outcome == Outcome::LoggedOut
            }
            Operation::DeleteAccount { .. } => {
                let is_right = *outcome == Outcome::Id(id.clone());
                *self = Self::Deleting;
                is_right
            }
            _ => *outcome == Outcome::Id(id.clone()),
        }
    }
}

impl Account {
    fn sign_up(&mut self, password: &'static str, outcome: &Outcome) -> bool {
        match (&self, outcome) {
            (Self::None, Outcome::Id(id)) => {
                *self = Self::Active { id: id.clone(), password, tokens: BTreeSet::new() };
                true
            }
            (Self::None, _) => false,
            _ => *outcome == Outcome::EmailTaken,
        }
    }

    fn log_in(&mut self, given: &str, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (_, Outcome::TooManyAttempts) => true,
            (Self::Active { password, tokens, .. }, Outcome::Token(token)) => {
                *password == given && tokens.insert(token.clone())
            }
            (Self::Active { password, .. }, _) if *password == given => false,
            _ => *outcome == Outcome::InvalidCredentials,
        }
    }
}

/// What a client does next. A token is one of the last that any client got in this round.
#[derive(Debug, Clone)]
enum Intention {
    Signup,
    Login { password: &'static str },
    GetAccount { token: usize },
    ChangePassword { token: usize, current: &'static str, new: &'static str },
    Logout { token: usize },
    DeleteAccount { token: usize },
}

fn intention() -> impl Strategy<Value = Intention> {
    let password = || select(vec![PASSWORD, NEW_PASSWORD]);
    let token = || 0_usize..3;
    prop_oneof![
        2 => Just(Intention::Signup),
        4 => password().prop_map(|password| Intention::Login { password }),
        4 => token().prop_map(|token| Intention::GetAccount { token }),
        3 => (token(), password(), password())
            .prop_map(|(token, current, new)| Intention::ChangePassword { token, current, new }),
        1 => token().prop_map(|token| Intention::Logout { token }),
        1 => token().prop_map(|token| Intention::DeleteAccount { token }),
    ]
}

/// Returns the operation of an intention: a login while there is no token yet.
fn operation(intention: &Intention, tokens: &RefCell<Vec<String>>) -> Operation {
    let tokens = tokens.borrow();
    let chosen = |number: &usize| tokens.iter().nth_back(*number).or(tokens.last()).cloned();
    let login = || Operation::Login { password: PASSWORD };
    match intention {
        Intention::Signup => Operation::Signup { password: PASSWORD },
        Intention::Login { password } => Operation::Login { password },
        Intention::GetAccount { token } => {
            chosen(token).map_or_else(login, |token| Operation::GetAccount { token })
        }
        Intention::ChangePassword { token, current, new } => {
            chosen(token).map_or_else(login, |token| Operation::ChangePassword { token, current, new })
        }
        Intention::Logout { token } => chosen(token).map_or_else(login, |token| Operation::Logout { token }),
        Intention::DeleteAccount { token } => {
            chosen(token).map_or_else(login, |token| Operation::DeleteAccount { token })
        }
    }
}

fn request(operation: &Operation, email: &str) -> HttpRequest {
    match operation {
        Operation::Signup { password } => {
            post("/api/auth/signup", &json!({"email": email, "password": password}))
        }
        Operation::Login { password } => {
            post("/api/auth/login", &json!({"email": email, "password": password}))
        }
        Operation::GetAccount { token } => get("/api/auth/account").bearer(token),
        Operation::ChangePassword { token, current, new } => {
            put("/api/auth/password", &json!({"current_password": current, "new_password": new}))
                .bearer(token)
        }
        Operation::Logout { token } => post("/api/auth/logout", &json!({})).bearer(token),
        Operation::DeleteAccount { token } => delete("/api/auth/account").bearer(token),
    }
}

fn outcome(response: &HttpResponse) -> Outcome {
    let body = response.json();
    let text = |member: &str| body[member].as_str().map(str::to_owned);
    match (response.status, body["code"].as_str()) {
        (200 | 202, None) => {
            let (token, id) = (text("token").map(Outcome::Token), text("id").map(Outcome::Id));
            token.or(id).unwrap_or(Outcome::LoggedOut)
        }
        (401 | 403, Some("invalid_credentials")) => Outcome::InvalidCredentials,
        (401, Some("invalid_token")) => Outcome::InvalidToken,
        (409, _) => Outcome::EmailTaken,
        (429, Some("too_many_attempts")) => Outcome::TooManyAttempts,
        _ => panic!("{} {}", response.status, response.body),
    }
}

#[tokio::test]
async fn an_order_explains_what_clients_see_of_accounts() {
    in_every_weather(CLIENTS, async |app| {
        let mut runner = TestRunner::deterministic();
        let intentions = vec(vec(intention(), REQUESTS), CLIENTS);
        for round in 0..rounds(&app) {
            let lost = [0, 10].map(|later| Rule::once(Fault::LoseResponse).after((round * 7 + later) % 31));
            change_faults(&app, round, lost);
            app.reset_password_attempts();
            let email = &format!("ann{round}@example.com");
            let (history, tokens) = (History::<Account>::new(), RefCell::default());
            let (history_of, tokens_of, app) = (&history, &tokens, &app);
            let clients = random(&mut runner, &intentions).into_iter().enumerate();
            join_all(clients.map(async |(client, intentions)| {
                for intention in intentions {
                    let operation = operation(&intention, tokens_of);
                    let sending = async { outcome(&app.send_with_retries(request(&operation, email)).await) };
                    if let Outcome::Token(token) = history_of.record(client, operation.clone(), sending).await
                    {
                        tokens_of.borrow_mut().push(token);
                    }
                }
            }))
            .await;
            history.assert_linearizable();
        }
        app.proxy.clear_rules();
        assert_consistent(&app);
    })
    .await;
}

/// The checker itself: histories that no order explains.
#[test]
fn a_history_of_an_account_without_an_order_is_found() {
    let signup = || (Operation::Signup { password: PASSWORD }, Outcome::Id("1".into()));
    let login = |token: &str| (Operation::Login { password: PASSWORD }, Outcome::Token(token.into()));
    let logout = || (Operation::Logout { token: "a".into() }, Outcome::LoggedOut);
    let use_token = || (Operation::GetAccount { token: "a".into() }, Outcome::Id("1".into()));
    let change = || {
        let operation = Operation::ChangePassword { token: "a".into(), current: PASSWORD, new: NEW_PASSWORD };
        (operation, Outcome::Token("b".into()))
    };
    for (case, steps) in [
        ("two accounts", vec![signup(), signup()]),
        ("a login before the signup", vec![login("a")]),
        ("a token after the logout", vec![signup(), login("a"), logout(), use_token()]),
        ("a token after a change", vec![signup(), login("a"), change(), use_token()]),
        ("an old password", vec![signup(), login("a"), change(), login("c")]),
    ] {
        assert!(is_sequence::<Account>(&steps[..steps.len() - 1]), "{case}");
        assert!(!is_sequence::<Account>(&steps), "{case}");
    }
}
