//! The faults, and the rules that choose which calls meet them.

use std::fmt;

use super::call::{HEALTH_CHECK, RecordedCall};
use crate::gate::Gate;

/// What happens to a call instead of an ordinary response.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 400 `ProvisionedThroughputExceededException`.
    Throttle,
    /// 400 `TransactionCanceledException` because of another transaction, at this position among the request's items;
    /// for a request that is no transaction 400 `TransactionConflictException`.
    TransactionConflict {
        /// The item, counted from 0.
        position: usize,
    },
    /// 400 `TransactionCanceledException` with these codes, one for each item of the request: `None`,
    /// `ConditionalCheckFailed`, `TransactionConflict`, `ThrottlingError`, …
    CancellationReasons(Vec<&'static str>),
    /// 400 `TransactionInProgressException`: another request with the same client request token is in flight.
    TransactionInProgress,
    /// 200 for a `BatchGetItem` of which nothing was processed: all its keys are `UnprocessedKeys`.
    Unprocessed,
    /// 500 `InternalServerError`.
    ServerError,
    /// 503 without a body, as a load balancer responds.
    Unavailable503,
    /// 400 `AccessDeniedException`.
    AccessDenied,
    /// 400 `ResourceNotFoundException`.
    TableMissing,
    /// The call is accepted, and no response is ever sent.
    Stall,
    /// The database carries the request out; then the connection is closed without a response.
    LoseResponse,
    /// The call waits until the test opens the gate, and only then reaches the database.
    Hold(Gate),
}

/// A fault, and the calls that it happens to.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Only calls of this function; of any function if `None`.
    pub caller: Option<String>,
    /// Only this operation, such as `TransactWriteItems`; any operation but a [`HEALTH_CHECK`] if `None`.
    pub operation: Option<String>,
    /// How many matching calls go through first.
    pub skip: usize,
    /// How many matching calls then meet the fault; `usize::MAX` for no limit.
    pub times: usize,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// Returns a rule for the next call of any function.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { caller: None, operation: None, skip: 0, times: 1, fault }
    }

    /// Returns a rule for every call of any function.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { times: usize::MAX, ..Self::once(fault) }
    }

    /// Restricts the rule to one function.
    #[must_use]
    pub fn from(self, caller: &str) -> Self {
        Self { caller: Some(caller.to_owned()), ..self }
    }

    /// Restricts the rule to one operation.
    #[must_use]
    pub fn on(self, operation: &str) -> Self {
        Self { operation: Some(operation.to_owned()), ..self }
    }

    /// Lets so many matching calls through first.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Returns whether the rule is about this call.
    pub(super) fn matches(&self, call: &RecordedCall) -> bool {
        self.caller.as_ref().is_none_or(|caller| *caller == call.caller)
            && self.operation.as_deref().map_or(call.operation != HEALTH_CHECK, |name| name == call.operation)
    }
}

/// Names the calls that it matches, for a person.
impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.as_deref().unwrap_or("any operation");
        let caller = self.caller.as_deref().unwrap_or("any function");
        write!(formatter, "{operation} of {caller}")?;
        if self.skip > 0 { write!(formatter, ", after {} of them", self.skip) } else { Ok(()) }
    }
}
