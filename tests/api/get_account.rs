//! `GET /api/auth/account`.

use futures_util::future::join;
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::{Value, json};

use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, whole},
    test_app::{TestApp, USERS, delete, get},
};

#[tokio::test]
async fn users_see_their_own_account_without_its_secrets() {
    let app = TestApp::start().await;
    let ann = app.person("Ann.Of.The.Movies").await;
    let response = app.account(&ann.token).await;
    insta::assert_json_snapshot!(whole(&response), {".body.id" => "[id]", ".body.created_at" => "[time]"}, @r#"
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
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let count = async |token: &str| app.account(token).await.json()["movie_count"].clone();
    let first = app.movie(&ann, "Alien").await;
    app.movie(&ann, "Brazil").await;
    assert_eq!((count(&ann.token).await, count(&bob.token).await), (json!(2), json!(0)));
    let path = format!("/api/movies/{}", first["id"].as_str().expect("an id"));
    assert_eq!(app.send(delete(&path).bearer(&ann.token)).await.status, 200);
    assert_eq!(count(&ann.token).await, 1);
    assert_consistent(&app);
}

#[tokio::test]
async fn the_account_shown_is_that_of_the_token() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let before = app.contents();
    for person in [&ann, &bob] {
        // Whatever else a request says about who is meant.
        let request = get("/api/auth/account").query(format!("id={}&email={}", ann.id, ann.email));
        let account = app.send(request.bearer(&person.token)).await.json();
        assert_eq!((&account["id"], &account["email"]), (&json!(person.id), &json!(person.email)));
    }
    assert_eq!(app.contents(), before);
}

#[tokio::test]
async fn reading_the_account_needs_a_valid_token() {
    let app = TestApp::start().await;
    let (ann, eve) = (app.person("ann").await, app.person("eve").await);
    expect_problem(&app.send(get("/api/auth/account")).await, 401, "missing_token");
    expect_problem(&app.account("no.such.token").await, 401, "invalid_token");
    app.edit_user(&ann.id, |user| user["status"] = json!({"S": "deleting"}));
    app.remove(USERS, &format!("user#{}", eve.id));
    for token in [&ann.token, &eve.token] {
        expect_problem(&app.account(token).await, 401, "invalid_token");
    }
}

#[tokio::test]
async fn a_user_deleted_just_before_the_read_is_401() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
    app.account(&ann.token).await;
    let gate = Gate::new();
    let hold = Fault::Hold(gate.clone());
    app.proxy.inject(Rule::once(hold).from("get-account"));
    let gone = async {
        gate.reached().await;
        app.remove(USERS, &format!("user#{}", ann.id));
        gate.open();
    };
    let (response, ()) = join(app.account(&ann.token), gone).await;
    expect_problem(&response, 401, "invalid_token");
}

#[tokio::test]
async fn a_corrupt_account_is_500_and_the_log_names_it() {
    let app = TestApp::start().await;
    let ann = app.person("ann").await;
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
        let response = app.account(&ann.token).await;
        expect_problem(&response, 500, "internal");
        let line =
            app.logged_with(&[response.json()["request_id"].as_str().expect("an id"), "corrupt"]).await;
        assert!(line.contains(&format!("user#{}", ann.id)), "{line}");
        app.database.put_item(USERS, stored).expect("an item");
    }
    assert_eq!(app.account(&ann.token).await.status, 200, "the function lives on");
}
