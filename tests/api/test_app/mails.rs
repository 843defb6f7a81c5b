//! Mails, and the reset tokens in them.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{
    gateway::{HttpRequest, HttpResponse},
    mail_service::Mail,
    runtime_api::Outcome,
    streams::StreamReader,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::runtime::{CLOCK, IDS};

use super::{OUTBOX, PASSWORD_RESETS, TestApp, TestUser, USERS, post};

const SEND: &str = "send-mail";

impl TestApp {
    /// Stores a reset token of a user, as `send-mail` does, and returns it.
    pub fn issue_reset_token(&self, user: &TestUser) -> String {
        let token = URL_SAFE_NO_PAD.encode(IDS.next_id().as_bytes().repeat(2));
        let epoch = self.item(USERS, &format!("user#{}", user.id)).expect("a user")["session_epoch"].clone();
        let expires_at = (CLOCK.now() + Duration::from_mins(30)).unix_seconds();
        let item = json!({
            "token_hash": {"S": token_hash(&token)},
            "user_id": {"S": user.id},
            "session_epoch": epoch,
            "expires_at": {"N": expires_at.to_string()},
        });
        self.database.put_item(PASSWORD_RESETS, item).expect("an item");
        token
    }

    /// Requests a password reset.
    pub async fn forgot_password(&self, email: &str) -> HttpResponse {
        self.send(forgot_password(email)).await
    }

    /// Resets a password.
    pub async fn reset_password(&self, token: &str, password: &str) -> HttpResponse {
        self.send(reset_password(token, password)).await
    }

    /// Requests a password reset, has the mail sent, and returns its token.
    pub async fn mailed_reset_token(&self, user: &TestUser) -> String {
        assert_eq!(self.forgot_password(&user.email).await.status, 202);
        self.send_mails().await;
        self.last_reset_token(user)
    }

    /// Returns the token of the last mail to this user that has one.
    pub fn last_reset_token(&self, user: &TestUser) -> String {
        let mut mails = self.mails_to(&user.email).into_iter().rev();
        let token = mails.find_map(|mail| mail.reset_token().map(str::to_owned));
        token.unwrap_or_else(|| panic!("no mail with a token: {:?}", self.mail_service.sent()))
    }

    /// Delivers the records of all mails in the outbox to `send-mail`, and panics if one fails.
    pub async fn send_mails(&self) {
        assert_eq!(self.deliver_mails().await, [""; 0]);
    }

    /// Delivers the records of all mails in the outbox to `send-mail`, and returns the ids of the mails that failed.
    pub async fn deliver_mails(&self) -> Vec<String> {
        let records = self.mail_records();
        let outcome = self.function(SEND).await.invoke(&json!({"Records": records})).await;
        let Outcome::Response(report) = outcome else { panic!("no report: {outcome:?}") };
        let failures = report["batchItemFailures"].as_array().expect("a list").iter();
        let id_of = |number: &Value| {
            let record = records.iter().find(|record| record["dynamodb"]["SequenceNumber"] == *number);
            record.expect("a record")["dynamodb"]["Keys"]["id"]["S"].as_str().expect("an id").to_owned()
        };
        failures.map(|failure| id_of(&failure["itemIdentifier"])).collect()
    }

    /// Runs `send-mail` as its schedule does.
    pub async fn send_mails_on_schedule(&self) {
        let outcome = self.function(SEND).await.invoke(&json!({})).await;
        assert_eq!(outcome, Outcome::Response(json!({"batchItemFailures": []})));
    }

    /// Returns the stream records of the mails that are in the outbox, the oldest first. The mapping passes only `INSERT`.
    pub fn mail_records(&self) -> Vec<Value> {
        let waiting: Vec<Value> = self.outbox().iter().map(|mail| mail["id"].clone()).collect();
        let records = StreamReader::new(&self.database, OUTBOX).and_then(|mut reader| reader.next_records());
        let is_new = |record: &Value| {
            record["eventName"] == "INSERT" && waiting.contains(&record["dynamodb"]["Keys"]["id"])
        };
        records.expect("records").into_iter().filter(is_new).collect()
    }

    /// Returns the mails in the outbox, the oldest first.
    pub fn outbox(&self) -> Vec<Value> {
        let mut mails = self.database.items(OUTBOX).expect("items");
        mails.sort_by_key(|mail| mail["id"]["S"].as_str().map(str::to_owned));
        mails
    }

    /// Returns the mails that were sent to this address, the oldest first.
    pub fn mails_to(&self, email: &str) -> Vec<Mail> {
        let sent = self.mail_service.sent();
        sent.into_iter().filter(|mail| mail.to == [email.to_lowercase()]).collect()
    }
}

/// Returns a request of a password reset.
pub fn forgot_password(email: &str) -> HttpRequest {
    post("/api/auth/forgot", &json!({"email": email}))
}

/// Returns a password reset.
pub fn reset_password(token: &str, password: &str) -> HttpRequest {
    post("/api/auth/reset", &json!({"reset_token": token, "password": password}))
}

/// Returns the hash of a reset token, as the table stores it.
pub fn token_hash(token: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(token).expect("a token");
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}
