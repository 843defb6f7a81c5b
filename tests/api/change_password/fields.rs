//! The rules of the two fields.

use serde_json::{Value, json};

use super::change;
use crate::{
    consistency::assert_consistent,
    expect::{expect_faults, expect_problem, token},
    test_app::{NEW_PASSWORD, PASSWORD, PASSWORD_ATTEMPTS, TestApp, put},
};

#[tokio::test]
async fn a_new_password_is_within_its_bounds_and_kept_as_sent() {
    let app = TestApp::start().await;
    let mut ann = app.create_user("ann").await;
    let mut current = PASSWORD.to_owned();
    for new in [
        "a2345f78".to_owned(),
        "éééééééé".to_owned(),
        "0123456789ab".repeat(6),
        "é".repeat(36),
        "correct horse battery staple".to_owned(),
        "  with spaces around  ".to_owned(),
        "ann@example.com and more".to_owned(),
        "e\u{301}e\u{301}e\u{301}e\u{301}".to_owned(),
    ] {
        ann.token = token(&app.send(change(&ann, &current, &new)).await);
        assert_eq!(app.log_in(&ann.email, &new).await.status, 200, "{new}");
        app.reset_password_attempts();
        current = new;
    }
    for other in ["éééé", "e\u{301}e\u{301}e\u{301}e\u{301} "] {
        expect_problem(&app.log_in(&ann.email, other).await, 401, "invalid_credentials");
    }
    assert_consistent(&app);
}

#[tokio::test]
async fn an_unusable_or_well_known_new_password_is_refused() {
    let app = TestApp::start().await;
    let ann = app.create_user("Moviefan77").await;
    let before = app.table_contents();
    let (short, long) = ("must have at least 8 characters", "must have at most 72 bytes");
    let (nul, common) = ("must not contain a NUL character", "is one of the most common passwords");
    let name = "must not be the name part of the email";
    let context = "must not be a variation of the name of this service";
    for (new, message) in [
        ("", short),
        ("a2345f7", short),
        ("ééé1", short),
        (&"x1".repeat(37)[..73], long),
        (&"é".repeat(37), long),
        (&"x".repeat(60_000), long),
        ("abcdefg\0abcdefg", nul),
        ("abcdefgh\0", nul),
        ("password1", common),
        ("PassWord1", common),
        ("12345678", common),
        ("QWERTYUIOP", common),
        ("moviefan77", name),
        ("Moviefan77", name),
        ("MOVIEFAN77", name),
        ("Movie-Bag 2026!", context),
    ] {
        let response = app.send(change(&ann, PASSWORD, new)).await;
        expect_faults(&response, &[("new_password", message)]);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(app.table_contents(), before, "{new}");
    }
    assert_eq!(app.get_account(&ann.token).await.status, 200);
    assert!(strict_counters(&app).is_empty(), "an invalid new password was counted as a wrong one");
}

/// Returns the counters of an account with an address.
fn strict_counters(app: &TestApp) -> Vec<Value> {
    let counters = app.items(PASSWORD_ATTEMPTS, "").into_iter();
    counters.filter(|counter| counter["blocked_until"].is_object()).collect()
}

#[tokio::test]
async fn only_type_and_size_of_the_current_password_are_checked() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let impossible = [
        String::new(),
        "short".to_owned(),
        "ann".to_owned(),
        "password1".to_owned(),
        "\0".to_owned(),
        format!("{PASSWORD}\0"),
        format!("{PASSWORD}\0{PASSWORD}"),
        format!("{PASSWORD} "),
        PASSWORD.to_uppercase(),
        "x".repeat(73),
        "x".repeat(1_024),
        "é".repeat(512),
    ];
    for current in impossible {
        expect_problem(&app.send(change(&ann, &current, NEW_PASSWORD)).await, 403, "invalid_credentials");
        assert_eq!(app.table_contents(), before, "{current}");
        app.reset_password_attempts();
    }
    let size = "must have at most 1024 bytes";
    for (current, message) in [
        (json!("x".repeat(1_025)), size),
        (json!(format!("{}x", "é".repeat(512))), size),
        (json!(null), "must be a string"),
        (json!(7), "must be a string"),
        (json!([PASSWORD]), "must be a string"),
        (json!({"S": PASSWORD}), "must be a string"),
    ] {
        let body = json!({"current_password": current, "new_password": NEW_PASSWORD});
        let response = app.send(put("/api/auth/password", &body).bearer(&ann.token)).await;
        expect_faults(&response, &[("current_password", message)]);
        assert_eq!(app.table_contents(), before);
    }
    assert_eq!(app.count(PASSWORD_ATTEMPTS, ""), 0, "an invalid body was counted as a wrong password");
}

#[tokio::test]
async fn all_faulty_fields_are_reported_at_once() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let before = app.table_contents();
    let required = "is required";
    for (body, faults) in [
        (json!({}), vec![("current_password", required), ("new_password", required)]),
        (json!({"current_password": PASSWORD}), vec![("new_password", required)]),
        (json!({"new_password": NEW_PASSWORD}), vec![("current_password", required)]),
        (
            json!({"current_password": 7, "new_password": "short", "password": NEW_PASSWORD, "session_epoch": 9}),
            vec![
                ("current_password", "must be a string"),
                ("new_password", "must have at least 8 characters"),
                ("password", "is not a known field"),
                ("session_epoch", "is not a known field"),
            ],
        ),
        (
            json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD, "id": ann.id, "email": ann.email}),
            vec![("email", "is not a known field"), ("id", "is not a known field")],
        ),
    ] {
        let response = app.send(put("/api/auth/password", &body).bearer(&ann.token)).await;
        expect_faults(&response, &faults);
        assert_eq!(app.table_contents(), before);
    }
}

#[tokio::test]
async fn a_longer_text_with_the_same_72_bytes_is_a_wrong_password() {
    let app = TestApp::start().await;
    let mut ann = app.create_user("ann").await;
    let longest = "0123456789ab".repeat(6);
    ann.token = token(&app.send(change(&ann, PASSWORD, &longest)).await);
    for wrong in [format!("{longest}x"), format!("{longest}\0"), longest[..71].to_owned()] {
        expect_problem(&app.send(change(&ann, &wrong, NEW_PASSWORD)).await, 403, "invalid_credentials");
    }
    token(&app.send(change(&ann, &longest, NEW_PASSWORD)).await);
}
