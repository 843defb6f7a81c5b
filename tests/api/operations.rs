//! The only list of operations that tests maintain by hand: what they cannot read from `openapi.yaml`, `template.yaml`
//! or `Cargo.toml`.
//!
//! A new operation gets a row in [`OPERATIONS`]. Every test that covers all operations then covers it, and
//! `coverage.rs` names every other place that still lacks it.

mod lookup;

use local::gateway::HttpRequest;
use serde_json::{Value, json};

use crate::{
    access::{self, ALL, Access, MOVIE_ATTRIBUTES, SESSION_ATTRIBUTES, USER_ATTRIBUTES},
    test_app::{
        ACCOUNT_DELETIONS, MOVIES, NEW_PASSWORD, OUTBOX, Owner, PASSWORD, PASSWORD_ATTEMPTS, PASSWORD_RESETS,
        USERS, delete, get, movie, post, put,
    },
};

pub use lookup::{
    described, find, for_every_call, for_every_call_with, hashing, with_body, with_route, with_token,
};

/// One row of [`OPERATIONS`].
pub struct Operation {
    /// The name that the operation has everywhere, such as `create-movie`.
    pub name: &'static str,
    /// Who calls the operation. `openapi.yaml` must say the same. Only the routes of operations with [`Caller::User`] ask
    /// for a token.
    pub caller: Caller,
    /// Whether the operation computes password hashes. If so, its function has `BCRYPT_COST`, more memory and a limit
    /// of its own in `template.yaml`.
    pub hashes: bool,
    /// Whether a successful call ends every session of the user. If so, `revocation.rs` has an `Ending` for it.
    pub ends_sessions: bool,
    /// The kinds of items and the attributes that the function reads and writes. IAM tells neither apart, so every
    /// request of every test is compared with this declaration. `access.rs` has the vocabulary.
    pub accesses: fn() -> Vec<Access>,
    /// One successful call for each way through the operation that makes different requests to DynamoDB. The owner is
    /// used for this call alone. Empty for an operation that `openapi.yaml` does not describe.
    pub calls: fn(&Owner) -> Vec<ExampleCall>,
    /// A request that gets the same status however often it is sent, and that status. It goes as deep into the
    /// operation as such a request can: tests change it in hostile ways, and send it again to see that the function
    /// still works. `None` for an operation that `openapi.yaml` does not describe.
    pub repeatable: Option<RepeatableRequest>,
}

/// Makes a request of the owner, and gives the status of its response.
type RepeatableRequest = fn(&Owner) -> (HttpRequest, u16);

/// Who calls an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Every client, without a token.
    Anyone,
    /// A client with the token of a user.
    User,
    /// A browser that shows the description of the API. `openapi.yaml` does not describe the routes, which present it.
    Browser,
    /// AWS, on an event. The operation has no route.
    Aws,
}

/// A successful call of an operation. The route and the owner's token are added by [`Operation::request`].
pub struct ExampleCall {
    /// The JSON body, or the query parameters of an operation that takes no body; `None` if there are none.
    pub body: Option<Value>,
    /// The requests that the call makes of DynamoDB, by round trip: the requests of one round trip are concurrent, and
    /// begin when those of the round trip before have ended. A request is the action, and the table with its index or,
    /// for each item of a transaction, the action and the table. `consistently` marks a strongly consistent read.
    pub round_trips: &'static [&'static [&'static str]],
    /// The read and the write request units that DynamoDB charges, for items of up to 1 KB.
    pub units: (f64, f64),
}

const GET_USER: &str = "GetItem UsersTable consistently";
const GET_MOVIE: &str = "GetItem MoviesTable consistently";
const GET_MOVIE_AND_USER: &str = "BatchGetItem MoviesTable UsersTable consistently";
const GET_ATTEMPTS: &str = "BatchGetItem PasswordAttemptsTable";
const PUT_ATTEMPTS: &str = "PutItem PasswordAttemptsTable";
const COUNT_ATTEMPTS: &str = "UpdateItem PasswordAttemptsTable";
const DELETE_ATTEMPTS: &str = "DeleteItem PasswordAttemptsTable";

/// A request with this token is refused before it can end a session.
const BAD_TOKEN: &str = "no.good.token";
/// A well-formed token that was never issued.
pub const UNKNOWN_RESET_TOKEN: &str = "VGhpcyB0b2tlbiB3YXMgbmV2ZXIgaXNzdWVkLiAgICA";
/// The attributes of a new mail.
const MAIL_ATTRIBUTES: &[&str] = &["created_at", "email", "kind"];
/// An id that no movie has.
const UNKNOWN_MOVIE: &str = "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";

/// Every operation, in the order of the table in `README.md`.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "signup",
        caller: Caller::Anyone,
        hashes: true,
        ends_sessions: false,
        accesses: || {
            vec![access::put(USERS, "user#", USER_ATTRIBUTES), access::put(USERS, "email#", &["user_id"])]
        },
        calls: |owner| {
            vec![ExampleCall {
                body: Some(json!({"email": format!("new-{}", owner.user.email), "password": PASSWORD})),
                round_trips: &[&["TransactWriteItems: Put UsersTable, Put UsersTable"]],
                units: (0.0, 4.0),
            }]
        },
        repeatable: Some(|owner| {
            (post("/api/auth/signup", &json!({"email": owner.user.email, "password": "short"})), 400)
        }),
    },
    Operation {
        name: "login",
        caller: Caller::Anyone,
        hashes: true,
        ends_sessions: false,
        accesses: || {
            let mut accesses = access::password_attempts();
            accesses.push(access::get(USERS, "email#", &[&["user_id"]]));
            accesses.push(access::get(USERS, "user#", &[SESSION_ATTRIBUTES, &["id", "password_hash"]]));
            accesses.push(access::update(USERS, "user#", &["password_hash"]));
            accesses
        },
        calls: |owner| {
            vec![ExampleCall {
                body: Some(json!({"email": owner.user.email, "password": PASSWORD})),
                round_trips: &[&[GET_ATTEMPTS, GET_USER], &[PUT_ATTEMPTS, GET_USER], &[DELETE_ATTEMPTS]],
                units: (3.5, 2.0),
            }]
        },
        repeatable: Some(|_| (post("/api/auth/login", &json!({"email": "nobody", "password": "no"})), 401)),
    },
    Operation {
        name: "get-account",
        caller: Caller::User,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            let shown: &[_] = &["created_at", "email", "movie_count"];
            vec![access::get(USERS, "user#", &[SESSION_ATTRIBUTES, shown])]
        },
        calls: |_| vec![ExampleCall { body: None, round_trips: &[&[GET_USER]], units: (1.0, 0.0) }],
        repeatable: Some(|owner| (get("/api/auth/account").bearer(&owner.user.token), 200)),
    },
    Operation {
        name: "change-password",
        caller: Caller::User,
        hashes: true,
        ends_sessions: true,
        accesses: || {
            let mut accesses = access::password_attempts();
            let checked: &[_] = &["email_key", "password_hash"];
            accesses.push(access::get(USERS, "user#", &[SESSION_ATTRIBUTES, checked]));
            accesses.push(access::update(USERS, "user#", &["password_hash", "session_epoch"]));
            accesses.push(access::put(OUTBOX, "", MAIL_ATTRIBUTES));
            accesses
        },
        calls: |_| {
            vec![ExampleCall {
                body: Some(json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD})),
                round_trips: &[
                    &[GET_USER, GET_ATTEMPTS],
                    &[PUT_ATTEMPTS],
                    &[DELETE_ATTEMPTS, COUNT_ATTEMPTS, COUNT_ATTEMPTS],
                    &["TransactWriteItems: Update UsersTable, Put OutboxTable"],
                ],
                units: (2.5, 8.0),
            }]
        },
        repeatable: Some(|owner| {
            let too_short = json!({"current_password": "x", "new_password": "short"});
            (put("/api/auth/password", &too_short).bearer(&owner.user.token), 400)
        }),
    },
    Operation {
        name: "forgot-password",
        caller: Caller::Anyone,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            vec![
                access::update(PASSWORD_ATTEMPTS, "", &["expires_at", "failures"]),
                access::put(OUTBOX, "", MAIL_ATTRIBUTES),
            ]
        },
        calls: |owner| {
            vec![ExampleCall {
                body: Some(json!({"email": owner.user.email})),
                round_trips: &[&[COUNT_ATTEMPTS], &["PutItem OutboxTable"]],
                units: (0.0, 2.0),
            }]
        },
        repeatable: Some(|_| (post("/api/auth/forgot", &json!({"email": "nobody"})), 400)),
    },
    Operation {
        name: "reset-password",
        caller: Caller::Anyone,
        hashes: true,
        ends_sessions: true,
        accesses: || {
            vec![
                access::get(PASSWORD_RESETS, "", &[ALL]),
                access::get(USERS, "user#", &[SESSION_ATTRIBUTES, &["email_key"]]),
                access::update(USERS, "user#", &["password_hash", "session_epoch"]),
                access::delete(PASSWORD_RESETS, ""),
                access::put(OUTBOX, "", MAIL_ATTRIBUTES),
                access::delete(PASSWORD_ATTEMPTS, ""),
            ]
        },
        calls: |owner| {
            vec![ExampleCall {
                body: Some(json!({"reset_token": owner.reset_token, "password": NEW_PASSWORD})),
                round_trips: &[
                    &["GetItem PasswordResetsTable consistently"],
                    &[GET_USER],
                    &["TransactWriteItems: Update UsersTable, Delete PasswordResetsTable, Put OutboxTable, \
                       Delete PasswordAttemptsTable"],
                ],
                units: (2.0, 8.0),
            }]
        },
        repeatable: Some(|_| {
            let body = json!({"reset_token": UNKNOWN_RESET_TOKEN, "password": NEW_PASSWORD});
            (post("/api/auth/reset", &body), 403)
        }),
    },
    Operation {
        name: "logout",
        caller: Caller::User,
        hashes: false,
        ends_sessions: true,
        accesses: || {
            vec![
                access::get(USERS, "user#", &[SESSION_ATTRIBUTES, &["last_logout"]]),
                access::update(USERS, "user#", &["last_logout", "session_epoch"]),
            ]
        },
        calls: |_| {
            vec![ExampleCall { body: None, round_trips: &[&["UpdateItem UsersTable"]], units: (0.0, 1.0) }]
        },
        repeatable: Some(|_| (post("/api/auth/logout", &json!({})).bearer(BAD_TOKEN), 401)),
    },
    Operation {
        name: "delete-account",
        caller: Caller::User,
        hashes: false,
        ends_sessions: true,
        accesses: || {
            vec![
                access::session(),
                access::update(USERS, "user#", &["session_epoch", "status"]),
                access::put(ACCOUNT_DELETIONS, "", &["requested_at", "run_count"]),
            ]
        },
        calls: |_| {
            vec![ExampleCall {
                body: None,
                round_trips: &[&["TransactWriteItems: Update UsersTable, Put AccountDeletionsTable"]],
                units: (0.0, 4.0),
            }]
        },
        repeatable: Some(|_| (delete("/api/auth/account").bearer(BAD_TOKEN), 401)),
    },
    Operation {
        name: "list-movies",
        caller: Caller::Anyone,
        hashes: false,
        ends_sessions: false,
        accesses: || vec![access::query(MOVIES, "catalog"), access::query(MOVIES, "owner")],
        calls: |owner| {
            let (name, user) = (&owner.movie_name, &owner.user.id);
            let calls: [(_, &'static [&'static [&'static str]]); 4] = [
                (None, &[&["Query MoviesTable/catalog"]]),
                (Some(json!({"name_prefix": name})), &[&["Query MoviesTable/catalog"]]),
                (Some(json!({"added_by": user})), &[&["Query MoviesTable/owner"]]),
                (Some(json!({"name_prefix": name, "added_by": user})), &[&["Query MoviesTable/owner"]]),
            ];
            // Half a unit for up to 4 KB of movies.
            calls.map(|(body, round_trips)| ExampleCall { body, round_trips, units: (0.5, 0.0) }).into()
        },
        repeatable: Some(|_| (get("/api/movies?limit=5"), 200)),
    },
    Operation {
        name: "get-movie",
        caller: Caller::Anyone,
        hashes: false,
        ends_sessions: false,
        accesses: || vec![access::get(MOVIES, "movie#", &[ALL])],
        calls: |_| vec![ExampleCall { body: None, round_trips: &[&[GET_MOVIE]], units: (1.0, 0.0) }],
        repeatable: Some(|owner| (get(&owner.movie_path()), 200)),
    },
    Operation {
        name: "create-movie",
        caller: Caller::User,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            vec![
                access::session(),
                access::update(USERS, "user#", &["movie_count"]),
                access::put(MOVIES, "movie#", MOVIE_ATTRIBUTES),
                access::put(MOVIES, "name#", &["movie_id"]).returning_item(),
            ]
        },
        calls: |owner| {
            vec![ExampleCall {
                body: Some(movie(&format!("Another {}", owner.movie_name))),
                round_trips: &[&["TransactWriteItems: Put MoviesTable, Put MoviesTable, Update UsersTable"]],
                // Three writes in a transaction, and both indexes.
                units: (0.0, 8.0),
            }]
        },
        repeatable: Some(|owner| {
            let mut known = movie(&owner.movie_name);
            known["casts"] = json!(["A\u{e9}\u{1f3ac}"]);
            (post("/api/movies", &known).bearer(&owner.user.token), 409)
        }),
    },
    Operation {
        name: "update-movie",
        caller: Caller::User,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            let changed: &[_] = &["casts", "genres", "name", "name_key", "updated_at", "version"];
            vec![
                access::session(),
                access::batch_get(USERS, "user#", SESSION_ATTRIBUTES),
                access::batch_get(MOVIES, "movie#", ALL),
                access::update(MOVIES, "movie#", changed).returning_item(),
                access::delete(MOVIES, "name#"),
                access::put(MOVIES, "name#", &["movie_id"]).returning_item(),
            ]
        },
        calls: |owner| {
            vec![
                // Both indexes have all attributes.
                ExampleCall {
                    body: Some(json!({"genres": ["Horror"]})),
                    // A transaction returns no attributes, so it could not respond with the movie.
                    round_trips: &[&[GET_USER], &["UpdateItem MoviesTable"]],
                    units: (1.0, 3.0),
                },
                // The same name in another spelling keeps its claim.
                ExampleCall {
                    body: Some(json!({"name": owner.movie_name.to_uppercase()})),
                    round_trips: &[&[GET_MOVIE_AND_USER], &["UpdateItem MoviesTable"]],
                    units: (2.0, 3.0),
                },
                // The keys of both indexes change: in each, one item is deleted and one is put.
                ExampleCall {
                    body: Some(movie(&format!("Renamed {}", owner.movie_name))),
                    round_trips: &[
                        &[GET_MOVIE_AND_USER],
                        &["TransactWriteItems: Update MoviesTable, Delete MoviesTable, Put MoviesTable"],
                    ],
                    units: (2.0, 10.0),
                },
            ]
        },
        repeatable: Some(|owner| {
            let genres = json!({"genres": ["Horror"]});
            (put(&owner.movie_path(), &genres).bearer(&owner.user.token), 200)
        }),
    },
    Operation {
        name: "delete-movie",
        caller: Caller::User,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            vec![
                access::session(),
                access::get(MOVIES, "movie#", &[ALL]),
                access::delete(MOVIES, "movie#"),
                access::delete(MOVIES, "name#"),
                access::update(USERS, "user#", &["movie_count"]),
            ]
        },
        calls: |_| {
            vec![ExampleCall {
                body: None,
                round_trips: &[
                    &[GET_MOVIE],
                    &["TransactWriteItems: Delete MoviesTable, Delete MoviesTable, Update UsersTable"],
                ],
                units: (1.0, 8.0),
            }]
        },
        repeatable: Some(|owner| {
            (delete(&format!("/api/movies/{UNKNOWN_MOVIE}")).bearer(&owner.user.token), 404)
        }),
    },
    Operation {
        name: "api-docs",
        caller: Caller::Browser,
        hashes: false,
        ends_sessions: false,
        accesses: Vec::new,
        calls: |_| Vec::new(),
        repeatable: Some(|_| (get("/api/docs/unknown.js"), 404)),
    },
    Operation {
        name: "purge-account",
        caller: Caller::Aws,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            vec![
                access::get(USERS, "user#", &[&["email_key", "movie_count", "status"]]),
                access::update(USERS, "user#", &["movie_count"]),
                access::delete(USERS, "user#"),
                access::delete(USERS, "email#"),
                access::query_keys(MOVIES, "owner"),
                access::batch_get(MOVIES, "movie#", &["added_by", "id", "name_key"]),
                access::delete(MOVIES, "movie#"),
                access::delete(MOVIES, "name#"),
                access::get(ACCOUNT_DELETIONS, "", &[ALL]),
                access::update(ACCOUNT_DELETIONS, "", &["run_count"]),
                access::delete(ACCOUNT_DELETIONS, ""),
                access::scan(ACCOUNT_DELETIONS),
            ]
        },
        calls: |_| Vec::new(),
        repeatable: None,
    },
    Operation {
        name: "send-mail",
        caller: Caller::Aws,
        hashes: false,
        ends_sessions: false,
        accesses: || {
            vec![
                access::get(OUTBOX, "", &[ALL]),
                access::scan(OUTBOX),
                access::update(OUTBOX, "", &["counted"]),
                access::delete(OUTBOX, ""),
                access::get(USERS, "email#", &[&["user_id"]]),
                access::get(USERS, "user#", &[SESSION_ATTRIBUTES, &["id"]]),
                access::update(PASSWORD_ATTEMPTS, "", &["expires_at", "failures"]),
                access::put(PASSWORD_RESETS, "", &["expires_at", "session_epoch", "user_id"]),
            ]
        },
        calls: |_| Vec::new(),
        repeatable: None,
    },
];

impl Operation {
    /// Whether any of its calls changes something other than the counters of password attempts.
    pub fn writes(&self) -> bool {
        const READS: [&str; 4] = ["GetItem", "BatchGetItem", "Query", "Scan"];
        let changes = |access: &Access| !READS.contains(&access.action) && access.place != PASSWORD_ATTEMPTS;
        (self.accesses)().iter().any(changes)
    }
}
