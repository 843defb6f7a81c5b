//! A refused login reveals nothing by its response or by its work.

use std::collections::BTreeSet;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::json;
use uuid::Uuid;

use super::renewal::hash_of_cost;
use crate::{
    consistency::assert_consistent,
    test_app::{PASSWORD, TestApp, USERS, hashing::LOG_HASHES, post, put},
};

/// Returns all that a client sees of a response, without the id of the request.
fn without_request_id(response: &HttpResponse) -> HttpResponse {
    let id = response.json()["request_id"].as_str().expect("an id").to_owned();
    HttpResponse { body: response.body.replace(&id, "[id]"), ..response.clone() }
}

/// Returns a login from an unused address, so that it need not wait because of another one.
fn login(email: &str, password: &str, number: usize) -> HttpRequest {
    let body = json!({"email": email, "password": password});
    post("/api/auth/login", &body).source_ip(format!("2001:db8:0:{number:x}::1"))
}

/// After `BcryptCost` was lowered, hashes of the earlier cost still exist. The ceiling is that cost.
#[tokio::test]
async fn refusals_take_the_same_work_at_every_cost() {
    for (cost, ceiling, stored) in [
        ("4", "6", ["4", "5", "6"]),
        ("5", "6", ["4", "5", "6"]),
        ("6", "6", ["4", "5", "6"]),
        ("6", "", ["4", "5", "6"]),
    ] {
        let settings = [("BCRYPT_COST", cost), ("BCRYPT_COST_CEILING", ceiling), LOG_HASHES];
        let app = TestApp::start_with(1, &settings).await;
        let mut works = BTreeSet::new();
        for (number, stored) in stored.into_iter().enumerate() {
            let user = app.create_user(&format!("user{number}")).await;
            let hash = hash_of_cost(stored).await;
            app.edit_user(&user.id, |user| user["password_hash"] = hash);
            for password in ["a wrong password", "", &"x".repeat(73)] {
                let refusal = app.send(login(&user.email, password, works.len() + number)).await;
                assert_eq!(refusal.status, 401);
                works.insert(app.hash_rounds(&refusal).await);
            }
            let body = json!({"current_password": "a wrong password", "new_password": PASSWORD});
            let refusal = app.send(put("/api/auth/password", &body).bearer(&user.token)).await;
            assert_eq!(refusal.status, 403);
            works.insert(app.hash_rounds(&refusal).await);
        }
        let unknown = app.send(login("unknown@example.com", "a wrong password", 99)).await;
        assert_eq!(unknown.status, 401);
        works.insert(app.hash_rounds(&unknown).await);
        assert_eq!(works, BTreeSet::from([64]), "cost {cost}, ceiling {ceiling:?}: the rounds of cost 6");
    }
}

#[tokio::test]
async fn a_refused_login_hides_whether_the_email_exists() {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "6"), LOG_HASHES]).await;
    let (ann, eve) = (app.create_user("ann").await, app.create_user("eve").await);
    app.edit_user(&eve.id, |user| user["status"] = json!({"S": "deleting"}));
    let (old, older) = (app.create_user("old").await, app.create_user("older").await);
    for (user, cost) in [(&old, "5"), (&older, "4")] {
        let hash = hash_of_cost(cost).await;
        app.edit_user(&user.id, |user| user["password_hash"] = hash);
    }
    // A claim whose user does not exist.
    let orphan =
        json!({"pk": {"S": "email#nobody@example.com"}, "user_id": {"S": Uuid::from_u128(7).to_string()}});
    app.database.put_item(USERS, orphan).expect("an item");
    let users = || [app.items(USERS, "user#"), app.items(USERS, "email#")].concat();
    let before = users();

    let reference = app.send(login(&ann.email, "a wrong password", 0)).await;
    insta::assert_json_snapshot!(reference.json(), {".request_id" => "[id]"}, @r#"
    {
      "code": "invalid_credentials",
      "detail": "Email or password invalid",
      "error": "Email or password invalid",
      "request_id": "[id]",
      "status": 401,
      "title": "Unauthorized"
    }
    "#);
    assert_eq!(reference.header("www-authenticate"), Some("Bearer realm=\"movie-bag\""));
    let longest = "x".repeat(1024);
    let repeated = format!("{PASSWORD}\0{PASSWORD}");
    let mut works = BTreeSet::from([app.hash_rounds(&reference).await]);
    for (number, (email, password)) in [
        (ann.email.as_str(), ""),
        (&ann.email, "short"),
        (&ann.email, "password1"),
        (&ann.email, &PASSWORD.to_uppercase()),
        (&ann.email, &format!("{PASSWORD} ")),
        (&ann.email, &repeated),
        (&ann.email, &format!("{PASSWORD}\0")),
        (&ann.email, "\0"),
        (&ann.email, &"x".repeat(73)),
        (&ann.email, &longest),
        (&ann.email, &"é".repeat(512)),
        (&old.email, "a wrong password"),
        (&old.email, &repeated),
        (&old.email, &longest),
        (&older.email, "a wrong password"),
        (&older.email, &repeated),
        (&older.email, ""),
        (&eve.email, PASSWORD),
        (&eve.email, "a wrong password"),
        ("nobody@example.com", PASSWORD),
        ("unknown@example.com", PASSWORD),
        ("unknown@example.com", &longest),
        ("unknown@example.com", "\0"),
        ("", PASSWORD),
        ("", ""),
        ("not an address", PASSWORD),
        (" ann@example.com", PASSWORD),
        ("ann@example.com\0", PASSWORD),
        ("Ann <ann@example.com>", PASSWORD),
        ("änn@example.com", PASSWORD),
        (&longest, PASSWORD),
    ]
    .into_iter()
    .enumerate()
    {
        let response = app.send(login(email, password, number + 1)).await;
        assert_eq!(without_request_id(&response), without_request_id(&reference), "{email:?} {password:?}");
        works.insert(app.hash_rounds(&response).await);
    }
    assert_eq!(works, BTreeSet::from([64]), "the rounds of one hash of cost 6");
    assert_eq!(users(), before);
    for email in [&ann.email, &old.email, &older.email] {
        assert_eq!(app.log_in(email, PASSWORD).await.status, 200);
    }
    for key in ["email#nobody@example.com", &format!("email#{}", eve.email), &format!("user#{}", eve.id)] {
        app.delete_item(USERS, key);
    }
    assert_consistent(&app);
}
