//! Checks of every system at the end of a test.

use std::{collections::BTreeMap, sync::PoisonError};

use local::fault_proxy::RecordedCall;
use serde_json::Value;
use uuid::Uuid;

use super::{TOKEN_KEY, TestApp};
use crate::{access, dynamodb_limits, policies};

impl TestApp {
    pub(super) fn assert_no_secret_was_logged(&self) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        secrets.extend([TOKEN_KEY.to_owned(), "$2b$".to_owned()]);
        for mail in self.mail_service.requested() {
            secrets.extend(mail.reset_token().map(str::to_owned));
            secrets.extend(mail.to);
        }
        let keys = self.overrides.iter().filter(|(name, value)| name.ends_with("_KEY") && !value.is_empty());
        secrets.extend(keys.map(|(_, value)| value.clone()));
        for line in self.logs() {
            let secret = secrets.iter().find(|secret| line.contains(*secret));
            assert!(secret.is_none(), "a secret was logged: {line}");
        }
    }

    pub(super) fn record_secrets(&self, event: &Value) {
        let body: Value =
            event["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        for field in ["email", "password", "current_password", "new_password", "reset_token"] {
            if let Some(secret) = body[field].as_str() {
                self.record_secret(secret);
            }
        }
        if let Some((_, token)) =
            event["headers"]["authorization"].as_str().and_then(|value| value.split_once(' '))
        {
            self.record_secret(token);
        }
    }

    pub(super) fn record_secret(&self, secret: &str) {
        // Short texts appear in logs by chance.
        if secret.len() >= 8 {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
        }
    }
}

impl Drop for TestApp {
    /// Checks after every test that no secret was logged, and that every request to DynamoDB is allowed by the
    /// template, respects DynamoDB's limits, is declared in [`crate::operations`] and asks for its consumed capacity.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.assert_no_secret_was_logged();
        let calls = self.proxy.calls();
        policies::assert_allowed(&self.template, &calls);
        dynamodb_limits::assert_respected(&self.template, &calls);
        let functions = self.template.functions().iter().map(|function| &*function.operation);
        access::assert_declared(&functions.collect::<Vec<_>>(), &calls);
        assert_own_request_tokens(&calls);
        // Without it, the request would be missing from the metrics: see `CapacityMeter`.
        for call in calls {
            assert_eq!(
                call.body["ReturnConsumedCapacity"], "TOTAL",
                "{} does not ask for its consumed capacity",
                call.operation
            );
        }
    }
}

/// Panics unless every transaction has a client request token that the functions made themselves, a version 7 UUID, and
/// only repetitions of a transaction have the same token: see `RequestTokens`.
fn assert_own_request_tokens(calls: &[RecordedCall]) {
    let mut items = BTreeMap::new();
    for call in calls.iter().filter(|call| call.operation == "TransactWriteItems") {
        let token = call.body["ClientRequestToken"].as_str().expect("a client request token");
        let version = Uuid::try_parse(token).expect("a UUID").get_version_num();
        assert_eq!(version, 7, "{} has a token of the SDK", call.caller);
        let first = items.entry(token).or_insert(&call.body["TransactItems"]);
        assert_eq!(*first, &call.body["TransactItems"], "two transactions have the same token");
    }
}
