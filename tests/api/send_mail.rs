//! `send-mail`: sends each mail of the outbox, despite any failure, and nothing to addresses without an account.

mod faults;
mod killed;
mod limit;
mod schedule;
mod texts;

use std::{path::Path, time::Duration};

use local::runtime_api::Outcome;
use serde_json::{Value, json};

use crate::{
    operations::OPERATIONS,
    test_app::{NEW_PASSWORD, OUTBOX, PASSWORD, PASSWORD_RESETS, TestApp, TestUser, binary, delete, put},
};

const SEND: &str = "send-mail";

/// Requests a password reset, and returns the id of its mail.
async fn request_reset(app: &TestApp, email: &str) -> String {
    assert_eq!(app.forgot_password(email).await.status, 202);
    let newest = app.outbox().pop().expect("a mail");
    newest["id"]["S"].as_str().expect("an id").to_owned()
}

/// Changes the password of a user, and thereby adds a notice.
async fn change_password(app: &TestApp, user: &TestUser) {
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    assert_eq!(app.send(put("/api/auth/password", &body).bearer(&user.token)).await.status, 200);
}

/// Makes every mail in the outbox older.
fn age_mails(app: &TestApp, by: Duration) {
    for mut mail in app.outbox() {
        let created_at = mail["created_at"]["S"].as_str().and_then(shared::model::Timestamp::parse);
        let milliseconds = created_at.expect("a time").unix_milliseconds();
        let earlier = milliseconds - i64::try_from(by.as_millis()).expect("a duration");
        let earlier = shared::model::Timestamp::from_unix_milliseconds(earlier).expect("a time");
        mail["created_at"] = json!({"S": earlier.to_string()});
        app.database.put_item(OUTBOX, mail).expect("an item");
    }
}

/// Returns the requests of the function since the calls were cleared.
fn requests(app: &TestApp) -> Vec<String> {
    let calls = app.proxy.calls_of(SEND).into_iter();
    calls.map(|call| format!("{} {}", call.operation, call.tables.join(" "))).collect()
}

#[tokio::test]
async fn send_mail_makes_only_the_requests_it_needs() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    request_reset(&app, &ann.email).await;
    app.proxy.clear_calls();
    app.send_mails().await;
    let reset = [
        "GetItem OutboxTable",
        "GetItem UsersTable",
        "GetItem UsersTable",
        "TransactWriteItems OutboxTable PasswordAttemptsTable",
        "PutItem PasswordResetsTable",
        "DeleteItem OutboxTable",
    ];
    assert_eq!(requests(&app), reset);
    app.wait_for_log_with(&["invocation completed", "read_units=3.0", "write_units=6.0"]).await;

    change_password(&app, &ann).await;
    app.proxy.clear_calls();
    app.send_mails().await;
    assert_eq!(requests(&app), ["GetItem OutboxTable", "DeleteItem OutboxTable"]);

    request_reset(&app, "nobody@example.com").await;
    app.proxy.clear_calls();
    app.send_mails().await;
    assert_eq!(requests(&app), ["GetItem OutboxTable", "GetItem UsersTable", "DeleteItem OutboxTable"]);
}

#[tokio::test]
async fn only_accounts_get_reset_mails() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    request_reset(&app, "nobody@example.com").await;
    request_reset(&app, &bob.email).await;
    assert_eq!(app.send(delete("/api/auth/account").bearer(&bob.token)).await.status, 202);
    request_reset(&app, "ANN@example.com").await;
    app.send_mails().await;
    let requested: Vec<_> = app.mail_service.requested().into_iter().map(|mail| mail.to).collect();
    assert_eq!(requested, [[ann.email.clone()]]);
    assert_eq!(app.outbox(), [Value::Null; 0]);
    let tokens = app.database.items(PASSWORD_RESETS).expect("items");
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    app.wait_for_log(&format!("security_event=\"reset_mail_sent\" user_id={}", ann.id)).await;
    app.wait_for_log("reason=\"no_active_user\"").await;
}

#[tokio::test]
async fn a_record_that_is_delivered_again_sends_no_second_mail() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    request_reset(&app, &ann.email).await;
    let records = json!({"Records": app.mail_records()});
    for _ in 0..2 {
        let outcome = app.function(SEND).await.invoke(&records).await;
        assert_eq!(outcome, Outcome::Response(json!({"batchItemFailures": []})));
    }
    assert_eq!(app.mail_service.requested().len(), 1);
}

#[tokio::test]
async fn an_invalid_record_fails_alone() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    request_reset(&app, &ann.email).await;
    let mut records = app.mail_records();
    let mut invalid = records[0].clone();
    invalid["dynamodb"]["Keys"] = json!({"id": {"S": "no id"}});
    invalid["dynamodb"]["SequenceNumber"] = json!("7");
    records.insert(0, invalid);
    let outcome = app.function(SEND).await.invoke(&json!({"Records": records})).await;
    assert_eq!(outcome, Outcome::Response(json!({"batchItemFailures": [{"itemIdentifier": "7"}]})));
    assert_eq!(app.mails_to(&ann.email).len(), 1);
}

/// The client of the mail service has this path. The linker leaves it out of a function that does not use the client.
#[test]
fn only_send_mail_contains_the_client_of_the_mail_service() {
    let contains = |program: &Path| {
        let bytes = std::fs::read(program).expect("a program");
        let path = b"/v2/email/outbound-emails";
        bytes.windows(path.len()).any(|window| window == path)
    };
    for operation in OPERATIONS {
        assert_eq!(contains(&binary(operation.name)), operation.name == SEND, "{}", operation.name);
    }
}
