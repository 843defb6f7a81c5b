//! Stands in for Amazon SES: accepts the mails that functions send, and keeps them. For tests it causes the faults of the
//! real service.
//!
//! Its modules, each of which uses only those before it: `mail`, `rule`, `request`, `server`.

mod mail;
mod request;
mod rule;
mod server;

use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::{loopback::listen_with_secret_path, observed::lock};
pub use mail::Mail;
pub use rule::{Fault, Rule};
use server::State;

/// A running mail service. It stops when it is dropped.
pub struct MailService {
    endpoint: String,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl MailService {
    /// Starts a mail service on a free port of 127.0.0.1, which calls `on_sent` with each mail that is sent.
    pub async fn start(on_sent: impl Fn(&Mail) + Send + Sync + 'static) -> Result<Self> {
        let (listener, path) = listen_with_secret_path().await?;
        let endpoint = format!("http://{}{path}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State::default()));
        let mut server = JoinSet::new();
        server.spawn(server::serve(listener, path, Arc::clone(&state), Arc::new(on_sent)));
        Ok(Self { endpoint, state, _server: server })
    }

    /// Returns the address for `AWS_ENDPOINT_URL_SESV2`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Adds a rule. The first rule that matches a mail, and is not used up, decides.
    pub fn inject(&self, rule: Rule) {
        if let Fault::Hold(gate) = &rule.fault {
            gate.will_hold(format!("mails to {}", rule.recipient.as_deref().unwrap_or("any recipient")));
        }
        lock(&self.state).rules.push(rule);
    }

    /// Forgets every rule. Requests that are stalled or held stay so.
    pub fn clear_rules(&self) {
        lock(&self.state).rules.clear();
    }

    /// Returns every mail that was sent so far, the oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Mail> {
        lock(&self.state).sent.clone()
    }

    /// Returns the mail of every well-formed request so far, whether it was sent or met a fault.
    #[must_use]
    pub fn requested(&self) -> Vec<Mail> {
        lock(&self.state).requested.clone()
    }
}

#[cfg(test)]
mod tests;
