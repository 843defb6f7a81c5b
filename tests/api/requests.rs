//! What each operation asks of DynamoDB when it succeeds: its price, and all that its role must allow.

use local::{fault_proxy::Call, gateway::HttpRequest};
use serde_json::json;

use crate::bag::{Bag, MOVIES, PASSWORD, USERS, delete, get, movie, post, put};

/// A request in short, with everything that the price and the role depend on.
fn short(call: &Call) -> String {
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
    let bag = Bag::start().await;
    let ann = bag.person("ann").await;
    let id = |movie: serde_json::Value| movie["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/movies/{}", id(bag.movie(&ann, "Alien").await));
    let who = format!("GetItem {USERS} consistently");
    let read = format!("GetItem {MOVIES} consistently");
    let update = format!("UpdateItem {MOVIES}");
    let credentials = json!({"email": "bob@example.com", "password": PASSWORD});
    let authenticated = |request: HttpRequest| request.bearer(&ann.token);

    let table: Vec<(&str, HttpRequest, Vec<String>)> = vec![
        (
            "signup",
            post("/api/auth/signup", &credentials),
            vec![format!("TransactWriteItems: Put {USERS}, Put {USERS}")],
        ),
        ("login", post("/api/auth/login", &credentials), vec![who.clone(), who.clone()]),
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
            vec![who, read, format!("TransactWriteItems: Delete {MOVIES}, Delete {MOVIES}, Update {USERS}")],
        ),
    ];
    for (operation, request, expected) in table {
        bag.proxy.clear_calls();
        let response = bag.send(request).await;
        assert_eq!(response.status, 200, "{operation}: {}", response.body);
        let calls = bag.proxy.calls();
        assert!(calls.iter().all(|call| call.caller == operation && call.status == 200), "{calls:#?}");
        assert_eq!(calls.iter().map(short).collect::<Vec<_>>(), expected, "{operation}");
    }
}
