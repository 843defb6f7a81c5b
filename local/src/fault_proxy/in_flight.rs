//! The transactions in flight, and the requests that conflict with them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use super::{items::Item, rule::Fault};
use crate::observed::lock;

/// The transactions that `DynamoDB` is carrying out. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// How many transactions there have been.
    number: u64,
    transactions: Vec<Transaction>,
    /// The client request tokens of those that were carried out.
    committed: HashSet<String>,
}

#[derive(Debug)]
struct Transaction {
    number: u64,
    client_request_token: Option<String>,
    items: Vec<Item>,
}

/// A guard that keeps a transaction in flight until it is dropped.
#[derive(Debug)]
pub struct Flight {
    all: InFlight,
    number: u64,
}

impl InFlight {
    /// Begins a transaction. If it conflicts, returns the error instead, with the reason `TransactionConflict` for each item
    /// that is part of another transaction in flight; if its client request token is in flight, `TransactionInProgress`.
    pub fn begin(&self, client_request_token: Option<&str>, items: &[Item]) -> Result<Flight, Fault> {
        let mut state = lock(&self.0);
        let is_known = |other: &Transaction| other.client_request_token.as_deref() == client_request_token;
        if client_request_token.is_some() && state.transactions.iter().any(is_known) {
            return Err(Fault::TransactionInProgress);
        }
        let code = |item| if state.has(item) { "TransactionConflict" } else { "None" };
        let codes: Vec<&str> = items.iter().map(code).collect();
        if codes.contains(&"TransactionConflict") {
            return Err(Fault::CancellationReasons(codes));
        }
        state.number += 1;
        let number = state.number;
        let client_request_token = client_request_token.map(str::to_owned);
        state.transactions.push(Transaction { number, client_request_token, items: items.to_vec() });
        Ok(Flight { all: self.clone(), number })
    }

    /// Records that the transaction with this client request token was carried out.
    pub fn commit(&self, client_request_token: &str) {
        lock(&self.0).committed.insert(client_request_token.to_owned());
    }

    /// Returns whether a transaction with this client request token was carried out. `DynamoDB` responds to a retry
    /// as to the original request and writes nothing, so the retry cannot conflict.
    pub fn is_committed(&self, client_request_token: &str) -> bool {
        lock(&self.0).committed.contains(client_request_token)
    }

    /// Returns whether a transaction in flight includes this item.
    pub fn has(&self, item: &Item) -> bool {
        lock(&self.0).has(item)
    }
}

impl State {
    fn has(&self, item: &Item) -> bool {
        self.transactions.iter().any(|transaction| transaction.items.contains(item))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        lock(&self.all.0).transactions.retain(|transaction| transaction.number != self.number);
    }
}
