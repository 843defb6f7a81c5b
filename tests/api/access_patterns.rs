//! What each operation asks of DynamoDB when it succeeds: its price, and all that its role must allow.

use std::collections::BTreeSet;

use local::{fault_proxy::RecordedCall, gateway::HttpRequest};
use serde_json::json;

use crate::{
    contract,
    test_app::{
        ACCOUNT_DELETIONS, MOVIES, PASSWORD, PASSWORD_ATTEMPTS, TestApp, USERS, delete, get, movie, post, put,
    },
};

/// A request in short, with everything that the price and the role depend on.
fn short(call: &RecordedCall) -> String {
    let consistent = if call.body["ConsistentRead"] == true { " consistently" } else { "" };
    let index = call.index.as_ref().map(|index| format!("/{index}")).unwrap_or_default();
    if call.transaction_items.is_empty() {
        return format!("{} {}{index}{consistent}", call.operation, call.tables.join(" "));
    }
    let items: Vec<_> =
        call.transaction_items.iter().map(|(action, table)| format!("{action} {table}")).collect();
    format!("{}: {}", call.operation, items.join(", "))
}

#[tokio::test]
async fn each_operation_asks_exactly_for_what_it_needs() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    let id = |movie: serde_json::Value| movie["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/movies/{}", id(app.movie(&ann, "Alien").await));
    let who = format!("GetItem {USERS} consistently");
    let read = format!("GetItem {MOVIES} consistently");
    let update = format!("UpdateItem {MOVIES}");
    let (carol, dave, erin) = (app.person("carol").await, app.person("dave").await, app.person("erin").await);
    let passwords = json!({"current_password": PASSWORD, "new_password": "a bag full of new movies"});
    let credentials = json!({"email": "bob@example.com", "password": PASSWORD});
    let authenticated = |request: HttpRequest| request.bearer(&ann.token);

    let table: Vec<(&str, HttpRequest, Vec<String>)> = vec![
        (
            "signup",
            post("/api/auth/signup", &credentials),
            vec![format!("TransactWriteItems: Put {USERS}, Put {USERS}")],
        ),
        (
            "login",
            post("/api/auth/login", &credentials),
            [vec![who.clone(); 2], counting(), counting_down()].concat(),
        ),
        ("get-account", authenticated(get("/api/auth/account")), vec![who.clone()]),
        ("list-movies", get("/api/movies"), vec![format!("Query {MOVIES}/catalog")]),
        ("get-movie", get(&path), vec![read.clone()]),
        (
            "create-movie",
            authenticated(post("/api/movies", &movie("Brazil"))),
            vec![who.clone(), format!("TransactWriteItems: Put {MOVIES}, Put {MOVIES}, Update {USERS}")],
        ),
        (
            "update-movie",
            authenticated(put(&path, &json!({"genres": ["Horror"]}))),
            vec![who.clone(), update.clone()],
        ),
        (
            "update-movie",
            authenticated(put(&path, &json!({"name": "ALIEN"}))),
            vec![who.clone(), read.clone(), update],
        ),
        (
            "update-movie",
            authenticated(put(&path, &json!({"name": "Aliens"}))),
            vec![
                who.clone(),
                read.clone(),
                format!("TransactWriteItems: Update {MOVIES}, Delete {MOVIES}, Put {MOVIES}"),
            ],
        ),
        (
            "delete-movie",
            authenticated(delete(&path)),
            vec![
                who.clone(),
                read,
                format!("TransactWriteItems: Delete {MOVIES}, Delete {MOVIES}, Update {USERS}"),
            ],
        ),
        (
            "change-password",
            put("/api/auth/password", &passwords).bearer(&carol.token),
            [vec![who.clone()], counting(), vec![format!("UpdateItem {USERS}")]].concat(),
        ),
        (
            "logout",
            post("/api/auth/logout", &json!({})).bearer(&dave.token),
            vec![who.clone(), format!("UpdateItem {USERS}")],
        ),
        (
            "delete-account",
            delete("/api/auth/account").bearer(&erin.token),
            vec![who, format!("TransactWriteItems: Update {USERS}, Put {ACCOUNT_DELETIONS}")],
        ),
    ];
    let tested: BTreeSet<&str> = table.iter().map(|(operation, _, _)| *operation).collect();
    let all: BTreeSet<&str> =
        contract::operations().filter_map(|(_, _, definition)| definition["operationId"].as_str()).collect();
    assert_eq!(tested, all);
    for (operation, request, expected) in table {
        app.proxy.clear_calls();
        let response = app.send(request).await;
        assert!((200..300).contains(&response.status), "{operation}: {}", response.body);
        let calls = app.proxy.calls();
        assert!(calls.iter().all(|call| call.caller == operation && call.status == 200), "{calls:#?}");
        let mut requests: Vec<String> = calls.iter().map(short).collect();
        let mut expected = expected;
        if ["login", "change-password"].contains(&operation) {
            // Some of them are made at the same time.
            requests.sort();
            expected.sort();
        }
        assert_eq!(requests, expected, "{operation}");
    }
}

/// What it takes to count a try of a password: for the account from this address, for the account, and for the address;
/// and to forgive the account its failures from this address.
fn counting() -> Vec<String> {
    let update = format!("UpdateItem {PASSWORD_ATTEMPTS}");
    [
        format!("GetItem {PASSWORD_ATTEMPTS} consistently"),
        update.clone(),
        update,
        format!("PutItem {PASSWORD_ATTEMPTS}"),
        format!("DeleteItem {PASSWORD_ATTEMPTS}"),
    ]
    .into()
}

/// What it takes to count down the hour of the account and of the address.
fn counting_down() -> Vec<String> {
    vec![format!("UpdateItem {PASSWORD_ATTEMPTS}"); 2]
}

/// However many of its requests come at the same time: a try is counted before the password is looked at, and the count
/// is taken back before anything else is done with it.
#[tokio::test]
async fn a_try_is_counted_before_anything_comes_of_it() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    let passwords = json!({"current_password": PASSWORD, "new_password": "a bag full of new movies"});
    app.proxy.clear_calls();
    let login = json!({"email": ann.email, "password": PASSWORD});
    app.send(post("/api/auth/login", &login)).await;
    app.send(put("/api/auth/password", &passwords).bearer(&ann.token)).await;
    for operation in ["login", "change-password"] {
        let requests: Vec<String> =
            app.proxy.calls_of(operation).into_iter().map(|call| call.operation).collect();
        let place = |name: &str| requests.iter().position(|request| request == name).expect("a request");
        let updates_before = |end: usize| requests[..end].iter().filter(|name| *name == "UpdateItem").count();
        assert_eq!(updates_before(place("PutItem")), 2, "{operation}: {requests:?}");
        assert!(place("PutItem") < place("DeleteItem"), "{operation}: {requests:?}");
        let last = if operation == "login" { "UpdateItem DeleteItem" } else { "UpdateItem" };
        assert!(last.contains(requests.last().expect("a request").as_str()), "{operation}: {requests:?}");
    }
}
