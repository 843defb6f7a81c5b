//! A proxy in front of the embedded database, for tests. It records the requests of each function and imitates what the
//! embedded database never does: it causes the faults of `DynamoDB` that a test injects as a [`Rule`], and simulates a
//! loaded `DynamoDB` ([`Weather`]).
//!
//! Its modules, each of which uses only those before it: `call`, `rule`, `response`, `items`, `in_flight`, `batch`,
//! `replica`, `weather`, `server`.

mod batch;
mod call;
mod in_flight;
mod items;
mod replica;
mod response;
mod rule;
mod server;
mod weather;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

pub use crate::gate::Gate;
use crate::{database::EmbeddedDatabase, observed::lock, template::TableDefinition};
pub use call::{HEALTH_CHECK, RecordedCall};
pub use rule::{Fault, Rule};
use server::State;
use weather::CurrentWeather;
pub use weather::Weather;

/// A running proxy. It stops when it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    database_endpoint: String,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of 127.0.0.1 in front of the database at this address.
    pub async fn start(database_endpoint: impl Into<String>) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the fault proxy cannot listen")?;
        let address = listener.local_addr()?;
        let database_endpoint = database_endpoint.into();
        let state = Arc::new(Mutex::new(State::default()));
        let mut server = JoinSet::new();
        server.spawn(server::serve(listener, database_endpoint.clone(), Arc::clone(&state)));
        Ok(Self { address, database_endpoint, state, _server: server })
    }

    /// Returns the database's address for one function, so that its calls carry its name.
    #[must_use]
    pub fn endpoint_for(&self, caller: &str) -> String {
        format!("http://{}/{caller}", self.address)
    }

    /// Sends a request of the test itself to the database, such as `PutItem`, without faults and without a record. Returns
    /// the response; one that is not 200 is an error.
    pub async fn request(&self, operation: &str, body: &Value) -> Result<Value> {
        server::request(&self.database_endpoint, operation, body).await
    }

    /// Adds a rule. The first rule that matches a call, and is not used up, decides.
    pub fn inject(&self, rule: Rule) {
        if let Fault::Hold(gate) = &rule.fault {
            gate.will_hold(rule.to_string());
        }
        lock(&self.state).rules.push(rule);
    }

    /// Forgets every rule. Calls that are stalled or held stay so.
    pub fn clear_rules(&self) {
        lock(&self.state).rules.clear();
    }

    /// Sets the weather for the functions' requests, which is calm at first. `database` must be the database behind the
    /// proxy, and `tables` its tables. Rules apply before the weather: a transaction that a rule holds is not yet in flight.
    pub async fn set_weather(
        &self,
        weather: Weather,
        database: &EmbeddedDatabase,
        tables: &[TableDefinition],
    ) -> Result<()> {
        let weather = CurrentWeather::start(weather, database, tables).await?;
        lock(&self.state).weather = Some(Arc::new(weather));
        Ok(())
    }

    /// Makes eventually consistent reads show the current state of the item with this key. Call it after a test has written
    /// directly to the database: the proxy does not see such a write, so these reads would never show it.
    pub fn show(&self, table: &str, key: Value) -> Result<()> {
        let weather = lock(&self.state).weather.clone();
        weather.map_or(Ok(()), |weather| weather.show(table, key))
    }

    /// Returns every call so far, in the order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        copies(&lock(&self.state).calls)
    }

    /// Returns the calls of one function so far.
    #[must_use]
    pub fn calls_of(&self, caller: &str) -> Vec<RecordedCall> {
        self.calls().into_iter().filter(|call| call.caller == caller).collect()
    }

    /// Returns the health checks of one function so far.
    #[must_use]
    pub fn health_checks_of(&self, caller: &str) -> Vec<RecordedCall> {
        let checks = copies(&lock(&self.state).health_checks);
        checks.into_iter().filter(|check| check.caller == caller).collect()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        lock(&self.state).calls.clear();
    }
}

fn copies(calls: &[Arc<Mutex<RecordedCall>>]) -> Vec<RecordedCall> {
    calls.iter().map(|call| lock(call).clone()).collect()
}

#[cfg(test)]
mod tests;
