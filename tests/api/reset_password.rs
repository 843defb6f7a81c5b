//! `POST /api/auth/reset`: a reset token sets one new password, and nothing else does.

mod races;
mod tokens;

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::{
    consistency::assert_consistent,
    expect::{expect_faults, expect_problem},
    operations::UNKNOWN_RESET_TOKEN,
    revocation::assert_dead,
    test_app::{
        NEW_PASSWORD, OUTBOX, Owner, PASSWORD, PASSWORD_RESETS, TestApp, USERS, post, reset_password,
        token_hash,
    },
};

#[tokio::test]
async fn a_mailed_token_sets_a_new_password() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let token = app.mailed_reset_token(&ann).await;
    let response = app.reset_password(&token, NEW_PASSWORD).await;
    assert_eq!((response.status, response.json()), (200, json!({})), "{}", response.body);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    expect_problem(&app.log_in(&ann.email, PASSWORD).await, 401, "invalid_credentials");
    assert_eq!(app.log_in(&ann.email, NEW_PASSWORD).await.status, 200);
    app.wait_for_log("security_event=\"password_reset\"").await;

    // The owner is told.
    app.send_mails().await;
    let [reset, notice] = &app.mails_to(&ann.email)[..] else { panic!("{:?}", app.mail_service.sent()) };
    assert_eq!((reset.reset_token(), notice.reset_token()), (Some(&*token), None));
    assert!(notice.subject.contains("was changed"), "{notice:?}");
    assert_consistent(&app);
}

#[tokio::test]
async fn every_earlier_token_is_refused_after_a_reset() {
    let app = TestApp::start().await;
    let Owner { user, movie_id, .. } = app.create_owner("ann").await;
    let elsewhere = app.new_token(&user.email).await;
    let [first, second, third] = [(); 3].map(|()| app.issue_reset_token(&user));
    assert_eq!(app.reset_password(&second, NEW_PASSWORD).await.status, 200);
    for token in [&user.token, &elsewhere] {
        assert_dead(&app, token, &movie_id, "a reset").await;
    }
    let before = app.table_contents();
    for token in [&first, &second, &third] {
        expect_problem(&app.reset_password(token, PASSWORD).await, 403, "invalid_reset_token");
    }
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.log_in(&user.email, NEW_PASSWORD).await.status, 200);
    assert_consistent(&app);
}

#[tokio::test]
async fn only_the_hash_of_a_token_is_stored() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let token = app.mailed_reset_token(&ann).await;
    let [reset] = &app.database.items(PASSWORD_RESETS).expect("items")[..] else { panic!("one token") };
    assert_eq!(reset["token_hash"]["S"], token_hash(&token));
    let names: Vec<&String> = reset.as_object().expect("an item").keys().collect();
    assert_eq!(names, ["expires_at", "session_epoch", "token_hash", "user_id"]);
    let expires: i64 = reset["expires_at"]["N"].as_str().expect("a number").parse().expect("seconds");
    let left = expires - shared::runtime::CLOCK.now().unix_seconds();
    assert!((1_780..=1_800).contains(&left), "{left} s");
    assert!(!format!("{:?}", app.table_contents()).contains(&token));
}

#[tokio::test]
async fn the_password_rules_apply_and_the_token_stays_valid() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann.smith").await;
    let token = app.issue_reset_token(&ann);
    let before = app.table_contents();
    for (password, fault) in [
        ("short", "must have at least 8 characters"),
        ("password1", "is one of the most common passwords"),
        ("Movie-Bag 2026!", "must not be a variation of the name of this service"),
        ("Ann.Smith", "must not be the name part of the email"),
    ] {
        expect_faults(&app.reset_password(&token, password).await, &[("password", fault)]);
    }
    let both =
        app.send(post("/api/auth/reset", &json!({"reset_token": "x".repeat(1_025), "password": 7}))).await;
    expect_faults(
        &both,
        &[("reset_token", "must have at most 1024 bytes"), ("password", "must be a string")],
    );
    assert_eq!(app.table_contents(), before);
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
}

/// What depends on the owner's email is checked after the token, so a stranger learns nothing about the email.
#[tokio::test]
async fn without_a_valid_token_nothing_is_learned_or_hashed() {
    // A hash takes seconds.
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "14")]).await;
    let started = Instant::now();
    expect_problem(&app.reset_password(UNKNOWN_RESET_TOKEN, NEW_PASSWORD).await, 403, "invalid_reset_token");
    let refused = started.elapsed();
    expect_problem(&app.reset_password("no token", NEW_PASSWORD).await, 403, "invalid_reset_token");
    // A text that is no token is not looked up.
    assert_eq!(app.proxy.calls_of("reset-password").len(), 1);
    assert!(refused < Duration::from_millis(400), "{refused:?}");
}

#[tokio::test]
async fn after_a_reset_the_owner_can_log_in_at_once() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let guess = |source: &str| {
        let body = json!({"email": ann.email, "password": "what was it?"});
        app.send(post("/api/auth/login", &body).source_ip(source))
    };
    let (owner, stranger) = ("192.0.2.7", "198.51.100.66");
    for source in [owner, stranger] {
        while guess(source).await.status != 429 {}
    }
    let token = app.issue_reset_token(&ann);
    let reset = app.send(reset_password(&token, NEW_PASSWORD).source_ip(owner)).await;
    assert_eq!(reset.status, 200, "{}", reset.body);
    let login = post("/api/auth/login", &json!({"email": ann.email, "password": NEW_PASSWORD}));
    assert_eq!(app.send(login.clone().source_ip(owner)).await.status, 200);
    // A stranger elsewhere gains no guesses.
    expect_problem(&guess(stranger).await, 429, "too_many_attempts");
}

#[tokio::test]
async fn a_notice_survives_the_deletion_of_the_account() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let token = app.issue_reset_token(&ann);
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
    app.delete_item(USERS, &format!("user#{}", ann.id));
    app.delete_item(USERS, &format!("email#{}", ann.email));
    app.send_mails().await;
    assert_eq!(app.mails_to(&ann.email).len(), 1);
    assert_eq!(app.database.items(OUTBOX).expect("items").len(), 0);
}
