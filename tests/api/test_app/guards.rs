//! Checks of every system at the end of a test.

use std::sync::PoisonError;

use serde_json::Value;

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
