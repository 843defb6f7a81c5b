//! `GET /api/auth/account`.

use futures_util::future::join;
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::{Value, json};

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, response_snapshot},
    test_app::{TestApp, USERS, delete, get, movie_path},
};

#[tokio::test]
async fn users_see_their_own_account_without_its_secrets() {
    let app = TestApp::start().await;
    let ann = app.create_user("Ann.Of.The.Movies").await;
    let response = app.get_account(&ann.token).await;
    insta::assert_json_snapshot!(response_snapshot(&response), {".body.id" => "[id]", ".body.created_at" => "[time]"}, @r#"
    {
      "body": {
        "created_at": "[time]",
        "email": "Ann.Of.The.Movies@example.com",
        "id": "[id]",
        "movie_count": 0,
        "movie_limit": 1000
      },
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-content-type-options": "nosniff"
      },
      "status": 200
    }
    "#);
    let stored = app.item(USERS, &format!("user#{}", ann.id)).expect("the user");
    assert_eq!(response.json()["id"], ann.id);
    assert_eq!(response.json()["created_at"], stored["created_at"]["S"]);
}

#[tokio::test]
async fn the_movie_count_is_current_and_of_the_users_own_movies() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let count = async |token: &str| app.get_account(token).await.json()["movie_count"].clone();
    let first = app.create_movie(&ann, "Alien").await;
    app.create_movie(&ann, "Brazil").await;
    assert_eq!((count(&ann.token).await, count(&bob.token).await), (json!(2), json!(0)));
    let path = movie_path(&first);
    assert_eq!(app.send(delete(&path).bearer(&ann.token)).await.status, 200);
    assert_eq!(count(&ann.token).await, 1);
    assert_consistent(&app);
}

#[tokio::test]
async fn the_account_shown_is_that_of_the_token() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let before = app.table_contents();
    for user in [&ann, &bob] {
        // Only the token decides whose account is shown.
        let request = get("/api/auth/account").query(format!("id={}&email={}", ann.id, ann.email));
        let account = app.send(request.bearer(&user.token)).await.json();
        assert_eq!((&account["id"], &account["email"]), (&json!(user.id), &json!(user.email)));
    }
    assert_eq!(app.table_contents(), before);
}

#[tokio::test]
async fn reading_the_account_needs_a_valid_token() {
    let app = TestApp::start().await;
    let (ann, eve) = (app.create_user("ann").await, app.create_user("eve").await);
    expect_problem(&app.send(get("/api/auth/account")).await, 401, "missing_token");
    expect_problem(&app.get_account("no.such.token").await, 401, "invalid_token");
    app.edit_user(&ann.id, |user| user["status"] = json!({"S": "deleting"}));
    app.delete_item(USERS, &format!("user#{}", eve.id));
    for token in [&ann.token, &eve.token] {
        expect_problem(&app.get_account(token).await, 401, "invalid_token");
    }
}

#[tokio::test]
async fn a_user_deleted_just_before_the_read_is_401() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    app.get_account(&ann.token).await;
    let gate = Gate::new();
    let hold = Fault::Hold(gate.clone());
    app.proxy.inject(Rule::once(hold).from("get-account"));
    let deleted = async {
        gate.reached().await;
        app.delete_item(USERS, &format!("user#{}", ann.id));
        gate.open();
    };
    let (response, ()) = join(app.get_account(&ann.token), deleted).await;
    expect_problem(&response, 401, "invalid_token");
}

#[tokio::test]
async fn a_corrupt_account_is_500_and_the_log_names_it() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    for (attribute, value) in
        [("movie_count", json!({"N": "-1"})), ("email", json!({"N": "1"})), ("created_at", Value::Null)]
    {
        let stored = app.item(USERS, &format!("user#{}", ann.id)).expect("the user");
        app.edit_user(&ann.id, |user| {
            if value.is_null() {
                user.as_object_mut().expect("an item").remove(attribute);
            } else {
                user[attribute] = value;
            }
        });
        let response = app.get_account(&ann.token).await;
        expect_problem(&response, 500, "internal");
        let line =
            app.wait_for_log_with(&[response.json()["request_id"].as_str().expect("an id"), "corrupt"]).await;
        assert!(line.contains(&format!("user#{}", ann.id)), "{line}");
        app.database.put_item(USERS, stored).expect("an item");
    }
    assert_eq!(app.get_account(&ann.token).await.status, 200, "the process continues");
}
