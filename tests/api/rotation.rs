//! The rotation of the signing key, as `SECURITY.md` describes it.

use serde_json::{Value, json};

use crate::{
    consistency::assert_consistent,
    operations,
    test_app::{NEW_PASSWORD, Owner, PASSWORD, TestApp, movie, post, put},
    tokens::{Algorithm, assert_refused, decoded, forge_with},
};

const OLD: &str = "the key that signed until now, long enough";
const NEXT: &str = "the key that signs from now on, long enough";
const CURRENT_KEY: &str = "JWT_SECRET_KEY";
const PREVIOUS_KEY: &str = "JWT_PREVIOUS_SECRET_KEY";

/// Returns the operations that sign or check tokens.
fn with_keys(app: &TestApp) -> Vec<String> {
    let functions = app.template.functions().iter();
    functions
        .filter(|function| function.environment.contains_key(CURRENT_KEY))
        .map(|function| function.operation.clone())
        .collect()
}

/// Deploys these functions with these keys.
async fn deploy(app: &mut TestApp, operations: &[String], current: &str, previous: &str) {
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    app.redeploy(&operations, &[(CURRENT_KEY, current), (PREVIOUS_KEY, previous)]).await;
    for operation in operations {
        app.function(operation).await.ready().await.expect("it starts");
    }
}

async fn system(current: &str, previous: &str) -> TestApp {
    TestApp::start_with(1, &[(CURRENT_KEY, current), (PREVIOUS_KEY, previous)]).await
}

fn key_id(token: &str) -> Value {
    decoded(token.split('.').next().expect("a header"))["kid"].clone()
}

/// Panics unless a token is refused because its key is not configured.
async fn assert_unknown(app: &TestApp, token: &str) {
    let response = app.get_account(token).await;
    assert_refused(&response, "invalid_token", "its key was removed");
    let request_id = response.json()["request_id"].as_str().expect("an id").to_owned();
    app.wait_for_log_with(&[&request_id, "reason=unknown_key"]).await;
}

#[tokio::test]
async fn tokens_of_both_keys_are_accepted_on_every_route() {
    let mut app = system(OLD, "").await;
    let Owner { user: ann, movie_id: anns_movie, .. } = app.create_owner("ann").await;
    let Owner { user: bob, movie_id: bobs_movie, .. } = app.create_owner("bob").await;
    let all = with_keys(&app);
    assert!(all.len() >= 8, "{all:?}");
    deploy(&mut app, &all, NEXT, OLD).await;
    let new = app.new_token(&bob.email).await;
    assert_ne!(key_id(&new), key_id(&ann.token));
    assert_eq!(key_id(&bob.token), key_id(&ann.token));
    for (token, movie_id) in [(&ann.token, &anns_movie), (&new, &bobs_movie)] {
        for operation in operations::with_token() {
            if operation.ends_sessions || operation.bare_request(movie_id).method() == "DELETE" {
                continue;
            }
            let response = app.send(operation.example_request(movie_id).bearer(token)).await;
            // The second create has the name of the first one.
            let taken = operation.name.ends_with("-movie") && response.status == 409;
            assert!(response.status == 200 || taken, "{}: {}", operation.name, response.body);
        }
    }
    // Changing the password begins a session of the new key. The other two operations end all sessions, of both keys.
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let changed = app.send(put("/api/auth/password", &body).bearer(&ann.token)).await;
    let fresh = changed.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(key_id(&fresh), key_id(&new));
    assert_refused(&app.get_account(&ann.token).await, "invalid_token", "the password was changed");
    assert_eq!(app.send(post("/api/auth/logout", &json!({})).bearer(&bob.token)).await.status, 200);
    assert_refused(&app.get_account(&new).await, "invalid_token", "the user logged out");
    assert_consistent(&app);
}

#[tokio::test]
async fn without_the_previous_key_its_tokens_are_refused() {
    let mut app = system(OLD, "").await;
    let ann = app.create_user("ann").await;
    let all = with_keys(&app);
    let before = app.table_contents();
    // The second value is the one in the secret of a new deployment.
    for no_key in ["", "none"] {
        deploy(&mut app, &all, NEXT, no_key).await;
        assert_unknown(&app, &ann.token).await;
    }
    let create = post("/api/movies", &movie("Alien")).bearer(&ann.token);
    assert_refused(&app.send(create).await, "invalid_token", "its key was removed");
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.get_account(&app.new_token(&ann.email).await).await.status, 200);
}

#[tokio::test]
async fn a_token_is_verified_only_with_the_key_it_names() {
    let mut app = system(OLD, "").await;
    let ann = app.create_user("ann").await;
    let all = with_keys(&app);
    deploy(&mut app, &all, NEXT, OLD).await;
    let new = app.new_token(&ann.email).await;
    let before = app.table_contents();
    let signed = |secret: &str, token: &str, kid: Value| {
        forge_with(secret, Algorithm::Hs256, token, &json!({"kid": kid}), &json!({}))
    };
    let (old_id, new_id) = (key_id(&ann.token), key_id(&new));
    for token in [&ann.token, &new] {
        for (secret, kid, reason) in [
            (OLD, &old_id, None),
            (NEXT, &new_id, None),
            (OLD, &new_id, Some("reason=signature")),
            (NEXT, &old_id, Some("reason=signature")),
            (OLD, &Value::Null, Some("reason=unknown_key")),
            (NEXT, &Value::Null, Some("reason=unknown_key")),
            (NEXT, &json!("AAAAAAAAAAA"), Some("reason=unknown_key")),
        ] {
            let response = app.get_account(&signed(secret, token, kid.clone())).await;
            match reason {
                None => assert_eq!(response.status, 200, "{}", response.body),
                Some(reason) => {
                    assert_refused(&response, "invalid_token", reason);
                    let request_id = response.json()["request_id"].as_str().expect("an id").to_owned();
                    app.wait_for_log_with(&[&request_id, reason]).await;
                }
            }
        }
    }
    assert_eq!(app.table_contents(), before);
}

/// In each step, a user continues with an existing session while some functions are already deployed.
#[tokio::test]
async fn the_runbook_changes_the_key_without_ending_a_session() {
    let mut app = system(OLD, "").await;
    let ann = app.create_user("ann").await;
    let all = with_keys(&app);
    deploy(&mut app, &all, OLD, "").await;
    let (some, others) = all.split_at(all.len() / 2);
    let mut sessions = vec![ann.token.clone()];

    for (current, previous) in [(OLD, NEXT), (NEXT, OLD)] {
        // A deployment does not change all functions at once.
        deploy(&mut app, some, current, previous).await;
        everybody_works_on(&app, &ann.email, &mut sessions).await;
        deploy(&mut app, others, current, previous).await;
        everybody_works_on(&app, &ann.email, &mut sessions).await;
    }
    let of_the_old: Vec<String> =
        sessions.iter().filter(|token| key_id(token) == key_id(&ann.token)).cloned().collect();
    let of_the_new: Vec<String> =
        sessions.iter().filter(|token| key_id(token) != key_id(&ann.token)).cloned().collect();
    assert!(of_the_old.len() >= 3, "step 1 does not change the signing key");
    assert!(!of_the_new.is_empty(), "step 2 changes the signing key");

    // After a week, every token of the old key has expired, and the key is removed.
    deploy(&mut app, &all, NEXT, "").await;
    let mut sessions = of_the_new;
    everybody_works_on(&app, &ann.email, &mut sessions).await;
    for token in &of_the_old {
        assert_unknown(&app, token).await;
    }
    assert_consistent(&app);
}

/// Starts a session. Functions that were deployed early and late accept it and all earlier ones.
async fn everybody_works_on(app: &TestApp, email: &str, sessions: &mut Vec<String>) {
    sessions.push(app.new_token(email).await);
    for token in sessions.iter() {
        for operation in operations::with_token().filter(|operation| !operation.ends_sessions) {
            let unknown = "019a4c5e-7a31-7c08-b5d2-6f0e9d3a41c7";
            let response = app.send(operation.example_request(unknown).bearer(token)).await;
            assert!([200, 404, 409].contains(&response.status), "{}: {}", operation.name, response.body);
        }
    }
}

/// If a key has leaked, one deployment ends every session of it.
#[tokio::test]
async fn a_leaked_key_is_useless_after_one_deployment() {
    let mut app = system(OLD, "").await;
    let ann = app.create_user("ann").await;
    let all = with_keys(&app);
    deploy(&mut app, &all, NEXT, "").await;
    let forged = forge_with(OLD, Algorithm::Hs256, &ann.token, &json!({}), &json!({"epoch": 0}));
    for token in [&ann.token, &forged] {
        assert_unknown(&app, token).await;
    }
    let new = app.new_token(&ann.email).await;
    assert_eq!(app.get_account(&new).await.status, 200);
    let forged = forge_with(OLD, Algorithm::Hs256, &new, &json!({}), &json!({}));
    assert_refused(&app.get_account(&forged).await, "invalid_token", "signed with the old key");
}
