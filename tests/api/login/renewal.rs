//! A login with the correct password renews a hash of another cost than the configured one.

use std::sync::OnceLock;

use futures_util::future::join;
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::{Value, json};

use crate::{
    consistency::assert_consistent,
    expect::expect_problem,
    test_app::{NEW_PASSWORD, PASSWORD, TestApp, TestUser, USERS, get, put},
};

/// The cost at which the functions of these tests hash.
const COST: &str = "6";

/// Returns a hash of [`PASSWORD`] with this cost, as an attribute.
pub async fn hash_of_cost(cost: &str) -> Value {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", cost)]).await;
    app.sign_up("somebody@example.com").await;
    let hash = app.items(USERS, "user#").remove(0)["password_hash"].take();
    assert!(has_cost(&hash, cost), "{hash}");
    hash
}

fn has_cost(hash: &Value, cost: &str) -> bool {
    hash["S"].as_str().is_some_and(|hash| hash.starts_with(&format!("$2b${cost:0>2}$")))
}

/// Starts a system that hashes at [`COST`], and creates a user with this hash.
async fn user_with(hash: &Value) -> (TestApp, TestUser) {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", COST)]).await;
    let ann = app.create_user("ann").await;
    app.edit_user(&ann.id, |user| user["password_hash"] = hash.clone());
    (app, ann)
}

fn user(app: &TestApp) -> Value {
    app.items(USERS, "user#").remove(0)
}

#[tokio::test]
async fn a_login_renews_a_hash_of_another_cost() {
    for (cost, renewed) in [("4", true), ("5", true), ("6", false), ("7", true), ("8", true)] {
        let (app, ann) = user_with(&hash_of_cost(cost).await).await;
        let before = user(&app);
        assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200, "{cost}");
        let mut after = user(&app);
        assert_eq!(after["password_hash"] != before["password_hash"], renewed, "{cost}");
        assert!(has_cost(&after["password_hash"], if renewed { COST } else { cost }), "{after}");

        // It is a hash of the same password, and of no other one.
        assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200, "{cost}");
        assert_eq!(app.log_in(&ann.email, "a wrong password").await.status, 401, "{cost}");
        assert_eq!(user(&app), after, "{cost}: renewed once");
        // The sessions continue, and nothing else has changed.
        assert_eq!(app.send(get("/api/auth/account").bearer(&ann.token)).await.status, 200);
        after["password_hash"] = before["password_hash"].clone();
        assert_eq!(after, before, "{cost}");
        assert_consistent(&app);
    }
}

#[tokio::test]
async fn a_refused_login_renews_nothing() {
    let (app, ann) = user_with(&hash_of_cost("4").await).await;
    let before = user(&app);
    // Bcrypt repeats a password up to its NUL, so the second one would match.
    for wrong in ["a wrong password", &format!("{PASSWORD}\0{PASSWORD}"), ""] {
        assert_eq!(app.log_in(&ann.email, wrong).await.status, 401);
        assert_eq!(user(&app), before);
    }
    app.edit_user(&ann.id, |user| user["status"] = json!({"S": "deleting"}));
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 401);
    assert_eq!(user(&app)["password_hash"], before["password_hash"]);
}

/// Transactions of the user's other requests conflict over the user's item.
#[tokio::test]
async fn conflicts_of_the_renewal_fail_no_login() {
    let (app, ann) = user_with(&hash_of_cost("4").await).await;
    let before = user(&app);
    let conflict = Rule::always(Fault::TransactionConflict { position: 0 });
    app.proxy.inject(conflict.from("login").on("UpdateItem"));
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    assert_eq!(user(&app), before);
}

#[tokio::test]
async fn a_password_changed_meanwhile_wins_over_the_renewal() {
    let (app, ann) = user_with(&hash_of_cost("4").await).await;
    let gate = held_renewal(&app);
    let changed = OnceLock::new();
    let change = async {
        gate.reached().await;
        let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        let response = app.send(put("/api/auth/password", &body).bearer(&ann.token)).await;
        assert_eq!(response.status, 200, "{}", response.body);
        changed.set(user(&app)).expect("once");
        gate.open();
    };
    let (login, ()) = join(app.log_in(&ann.email, PASSWORD), change).await;
    assert_eq!(login.status, 200, "the password was right: {}", login.body);
    assert_eq!(Some(&user(&app)), changed.get(), "the renewal lost the race");
    assert_eq!(app.log_in(&ann.email, NEW_PASSWORD).await.status, 200);
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 401);
    // The old password is no longer valid, so the session of this login never begins.
    let token = login.json()["token"].as_str().expect("a token").to_owned();
    expect_problem(&app.send(get("/api/auth/account").bearer(&token)).await, 401, "invalid_token");
    assert_consistent(&app);
}

#[tokio::test]
async fn a_renewal_does_not_restore_a_deleted_user() {
    let (app, ann) = user_with(&hash_of_cost("4").await).await;
    let gate = held_renewal(&app);
    let deleting = async {
        gate.reached().await;
        app.delete_item(USERS, &format!("user#{}", ann.id));
        app.delete_item(USERS, &format!("email#{}", ann.email));
        gate.open();
    };
    join(app.log_in(&ann.email, PASSWORD), deleting).await;
    assert_eq!((app.count(USERS, "user#"), app.count(USERS, "email#")), (0, 0));
    assert_consistent(&app);
}

#[tokio::test]
async fn a_renewal_happens_once_or_not_at_all() {
    let (app, ann) = user_with(&hash_of_cost("4").await).await;
    let before = user(&app);
    let renewal = |rule: Rule| rule.from("login").on("UpdateItem");
    app.proxy.inject(renewal(Rule::always(Fault::Throttle)));
    expect_problem(&app.log_in(&ann.email, PASSWORD).await, 503, "unavailable");
    assert_eq!(user(&app), before);

    app.proxy.clear_rules();
    app.proxy.inject(renewal(Rule::once(Fault::LoseResponse)));
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    let renewed = user(&app);
    assert!(has_cost(&renewed["password_hash"], COST), "{renewed}");
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    assert_eq!(user(&app), renewed);
    assert_consistent(&app);
}

/// Holds the renewal of the hash by the next login.
fn held_renewal(app: &TestApp) -> Gate {
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on("UpdateItem"));
    gate
}
