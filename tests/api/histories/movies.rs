//! Movies of one user, who changes them on several devices at once.

use std::{cell::RefCell, collections::BTreeMap};

use futures_util::future::join_all;
use local::{
    fault_proxy::{Fault, Rule},
    gateway::{HttpRequest, HttpResponse},
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{CLIENTS, History, REQUESTS, Specification, change_faults, is_sequence, random, rounds};
use crate::{
    consistency::assert_consistent,
    test_app::{TestUser, delete, etag, get, movie, post, put},
    weather::in_every_weather,
};

/// The movies by id, with name and entity tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Bag(BTreeMap<String, (String, String)>);

#[derive(Debug, Clone)]
enum Operation {
    Create { name: String },
    Get { id: String },
    Update { id: String, name: Option<String>, if_match: Option<String> },
    Delete { id: String, if_match: Option<String> },
}

#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Movie { id: String, name: String, etag: String },
    Deleted,
    NotFound,
    NameTaken { by: String },
    PreconditionFailed,
}

impl Bag {
    /// Returns the id of the movie with this name.
    fn holder(&self, name: &str) -> Option<&String> {
        self.0.iter().find(|(_, (other, _))| other == name).map(|(id, _)| id)
    }

    /// Returns why a write of an existing movie is refused, if it is.
    fn refusal(&self, id: &str, if_match: Option<&String>) -> Option<Outcome> {
        match self.0.get(id) {
            None => Some(Outcome::NotFound),
            Some((_, etag)) if if_match.is_some_and(|tag| tag != etag) => Some(Outcome::PreconditionFailed),
            Some(_) => None,
        }
    }

    /// Stores a movie as a response shows it, if it has the expected name and a new tag.
    fn store(&mut self, outcome: &Outcome, expected: &str) -> bool {
        let Outcome::Movie { id, name, etag } = outcome else { return false };
        let previous = self.0.insert(id.clone(), (name.clone(), etag.clone()));
        name == expected && previous.is_none_or(|(_, tag)| tag != *etag)
    }
}

impl Specification for Bag {
    type Operation = Operation;
    type Outcome = Outcome;

    fn step(&mut self, operation: &Operation, outcome: &Outcome) -> bool {
        match operation {
            Operation::Create { name } => match self.holder(name) {
                Some(holder) => *outcome == Outcome::NameTaken { by: holder.clone() },
                None => {
                    matches!(outcome, Outcome::Movie { id, .. } if !self.0.contains_key(id))
                        && self.store(outcome, name)
                }
            },
            Operation::Get { id } => {
                *outcome
                    == self.0.get(id).map_or(Outcome::NotFound, |(name, etag)| Outcome::Movie {
                        id: id.clone(),
                        name: name.clone(),
                        etag: etag.clone(),
                    })
            }
            Operation::Update { id, name, if_match } => {
                if let Some(refusal) = self.refusal(id, if_match.as_ref()) {
                    return *outcome == refusal;
                }
                let expected = name.clone().unwrap_or_else(|| self.0[id].0.clone());
                match self.holder(&expected).filter(|holder| *holder != id) {
                    Some(holder) => *outcome == Outcome::NameTaken { by: holder.clone() },
                    None => {
                        matches!(outcome, Outcome::Movie { id: changed, .. } if changed == id)
                            && self.store(outcome, &expected)
                    }
                }
            }
            Operation::Delete { id, if_match } => match self.refusal(id, if_match.as_ref()) {
                Some(refusal) => *outcome == refusal,
                None => self.0.remove(id).is_some() && *outcome == Outcome::Deleted,
            },
        }
    }
}

/// What a client does next. It chooses among the movies that any client has seen in this round.
#[derive(Debug, Clone)]
enum Intention {
    Create { name: &'static str },
    Get { movie: usize },
    Update { movie: usize, name: Option<&'static str>, with_tag: bool },
    Delete { movie: usize, with_tag: bool },
}

fn intention() -> impl Strategy<Value = Intention> {
    let name = || select(vec!["Alien", "Heat", "Ronin"]);
    let movie = || 0_usize..4;
    prop_oneof![
        3 => name().prop_map(|name| Intention::Create { name }),
        2 => movie().prop_map(|movie| Intention::Get { movie }),
        4 => (movie(), proptest::option::of(name()), any::<bool>())
            .prop_map(|(movie, name, with_tag)| Intention::Update { movie, name, with_tag }),
        2 => (movie(), any::<bool>()).prop_map(|(movie, with_tag)| Intention::Delete { movie, with_tag }),
    ]
}

/// The id and a tag of each movie that a client has seen, the newest last.
#[derive(Default)]
struct Seen(RefCell<Vec<(String, String)>>);

impl Seen {
    fn add(&self, outcome: &Outcome) {
        if let Outcome::Movie { id, etag, .. } = outcome {
            self.0.borrow_mut().push((id.clone(), etag.clone()));
        }
    }

    /// Returns one of the last movies.
    fn choose(&self, number: usize) -> Option<(String, String)> {
        self.0.borrow().iter().nth_back(number).cloned()
    }
}

/// Returns the operation of an intention, for a round whose names end in `suffix`.
fn operation(intention: &Intention, seen: &Seen, suffix: &str) -> Operation {
    let named = |name: &str| format!("{name} {suffix}");
    let chosen = |movie| seen.choose(movie);
    let create = || Operation::Create { name: named("Heat") };
    match intention {
        Intention::Create { name } => Operation::Create { name: named(name) },
        Intention::Get { movie } => chosen(*movie).map_or_else(create, |(id, _)| Operation::Get { id }),
        Intention::Update { movie, name, with_tag } => chosen(*movie).map_or_else(create, |(id, tag)| {
            Operation::Update { id, name: name.map(named), if_match: with_tag.then_some(tag) }
        }),
        Intention::Delete { movie, with_tag } => chosen(*movie)
            .map_or_else(create, |(id, tag)| Operation::Delete { id, if_match: with_tag.then_some(tag) }),
    }
}

fn request(operation: &Operation, user: &TestUser) -> HttpRequest {
    let path = |id: &str| format!("/api/movies/{id}");
    let (request, if_match) = match operation {
        Operation::Create { name } => (post("/api/movies", &movie(name)), &None),
        Operation::Get { id } => return get(&path(id)),
        Operation::Update { id, name, if_match } => {
            let body = name.as_ref().map_or(json!({"genres": ["Crime"]}), |name| json!({"name": name}));
            (put(&path(id), &body), if_match)
        }
        Operation::Delete { id, if_match } => (delete(&path(id)), if_match),
    };
    let request = request.bearer(&user.token);
    if_match.iter().fold(request, |request, tag| request.header("if-match", tag))
}

fn outcome(response: &HttpResponse) -> Outcome {
    let body = response.json();
    let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
    match (response.status, body["code"].as_str()) {
        (200, None) if body["name"] == Value::Null => Outcome::Deleted,
        (200, None) => Outcome::Movie { id: text("id"), name: text("name"), etag: etag(response).to_owned() },
        (404, _) => Outcome::NotFound,
        (409, _) => Outcome::NameTaken { by: text("movie_id") },
        (412, _) => Outcome::PreconditionFailed,
        _ => panic!("{} {}", response.status, response.body),
    }
}

#[tokio::test]
async fn an_order_explains_what_clients_see_of_movies() {
    in_every_weather(CLIENTS, async |app| {
        let ann = app.create_user("ann").await;
        let mut runner = TestRunner::deterministic();
        let intentions = vec(vec(intention(), REQUESTS), CLIENTS);
        for round in 0..rounds(&app) {
            // Not of `UpdateItem`, which has no client request token: if it was carried out and is repeated after another
            // client has deleted the movie, the response is 404, which no order of atomic operations explains.
            let lost = |after| Rule::once(Fault::LoseResponse).on("TransactWriteItems").after(after % 8);
            let lost = [lost(round), lost(round + 3)];
            change_faults(&app, round, lost);
            let (history, seen) = (History::<Bag>::new(), Seen::default());
            let (history_of, seen_of, app, ann) = (&history, &seen, &app, &ann);
            let clients = random(&mut runner, &intentions).into_iter().enumerate();
            join_all(clients.map(async |(client, intentions)| {
                for intention in intentions {
                    let operation = operation(&intention, seen_of, &round.to_string());
                    let sending = async { outcome(&app.send_with_retries(request(&operation, ann)).await) };
                    seen_of.add(&history_of.record(client, operation.clone(), sending).await);
                }
            }))
            .await;
            history.assert_linearizable();
        }
        assert_consistent(&app);
    })
    .await;
}

/// The checker itself: histories that no order explains.
#[test]
fn a_history_without_an_order_is_found() {
    let movie =
        |name: &str, etag: &str| Outcome::Movie { id: "1".into(), name: name.into(), etag: etag.into() };
    let create = || Operation::Create { name: "Heat".into() };
    let get = || Operation::Get { id: "1".into() };
    let update = || Operation::Update { id: "1".into(), name: None, if_match: Some("a".into()) };
    for (case, steps) in [
        (
            "a name twice",
            vec![
                (create(), movie("Heat", "a")),
                (create(), Outcome::Movie { id: "2".into(), name: "Heat".into(), etag: "b".into() }),
            ],
        ),
        (
            "a lost update",
            vec![
                (create(), movie("Heat", "a")),
                (update(), movie("Heat", "b")),
                (update(), movie("Heat", "c")),
            ],
        ),
        (
            "a stale read",
            vec![(create(), movie("Heat", "a")), (update(), movie("Heat", "b")), (get(), movie("Heat", "a"))],
        ),
        ("a tag twice", vec![(create(), movie("Heat", "a")), (update(), movie("Heat", "a"))]),
        ("a name taken by none", vec![(create(), Outcome::NameTaken { by: "1".into() })]),
        ("a movie from nowhere", vec![(get(), movie("Heat", "a"))]),
    ] {
        assert!(is_sequence::<Bag>(&steps[..steps.len() - 1]), "{case}");
        assert!(!is_sequence::<Bag>(&steps), "{case}");
    }
}
