//! What can go wrong between a function and DynamoDB, and what it means.

use aws_sdk_dynamodb::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::CancellationReason,
};

use super::{item::Item, retry};
use crate::error::Cause;

/// A request that brought no outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB is throttling, failing or too slow, or a transaction kept meeting others, for as long as there was
    /// time. The same request may work later.
    #[error("DynamoDB is unavailable")]
    Unavailable {
        /// What it said at last.
        #[source]
        cause: Cause,
    },
    /// Writes that one user sent at the same time kept conflicting on the items of that user, for as long as the SDK tried
    /// again.
    #[error("the user's own writes keep conflicting")]
    Contended {
        /// What DynamoDB said at last.
        #[source]
        cause: Cause,
    },
    /// DynamoDB refuses the request: access is denied, a table is missing, or the request is wrong. Trying again
    /// does not help.
    #[error("DynamoDB refused the request")]
    Refused {
        /// What it said.
        #[source]
        cause: Cause,
    },
    /// An item is not what this system writes.
    #[error("the item {key:?} is corrupt: {problem}")]
    Corrupt {
        /// The item's partition key.
        key: String,
        /// Which attribute is wrong, and how.
        problem: String,
    },
}

impl From<BuildError> for StoreError {
    fn from(error: BuildError) -> Self {
        Self::Refused { cause: error.into() }
    }
}

impl<E> From<SdkError<E>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        if error.as_service_error().and_then(E::code) == Some(retry::CONFLICT_OF_A_SINGLE_WRITE) {
            // Single writes that a transaction can meet change a user or a movie, which only its owner writes to.
            return Self::Contended { cause: error.into() };
        }
        let passing = match &error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
            // A connection that ends before its answer is of another kind than the rest, but one the SDK knows.
            SdkError::DispatchFailure(failure) => {
                failure.is_io() || failure.is_timeout() || failure.as_other().is_some()
            }
            SdkError::ServiceError(service) => {
                service.raw().status().is_server_error()
                    || service.err().code().is_some_and(retry::is_passing)
            }
            _ => false,
        };
        let cause = error.into();
        if passing { Self::Unavailable { cause } } else { Self::Refused { cause } }
    }
}

/// The item of an update whose condition did not hold, `None` if there is none or the update did not ask for it. Any
/// other error is a failure.
pub(super) fn failed_condition(error: SdkError<UpdateItemError>) -> Result<Option<Item>, StoreError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item.clone()),
        _ => Err(error.into()),
    }
}

/// A transaction that was cancelled because conditions did not hold: one reason for each of its items, in order.
pub(super) struct FailedConditions(Vec<CancellationReason>);

impl FailedConditions {
    /// The reasons of a cancelled transaction; any other error is a failure. `own` are the positions of the items that
    /// only requests of one user write to: a conflict there is the user's own doing.
    pub(super) fn of(error: SdkError<TransactWriteItemsError>, own: &[usize]) -> Result<Self, StoreError> {
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                if reasons.iter().any(|reason| reason.code() == Some(retry::CONDITION_FAILED)) {
                    return Ok(Self(reasons.to_vec()));
                }
                let codes = || reasons.iter().filter_map(CancellationReason::code);
                let conflicts = own.iter().filter_map(|position| reasons.get(*position)?.code());
                let contended = conflicts.into_iter().any(|code| code == retry::CONFLICT);
                let passing = codes().any(retry::is_passing);
                let cause = error.into();
                Err(match (contended, passing) {
                    (true, _) => StoreError::Contended { cause },
                    (false, true) => StoreError::Unavailable { cause },
                    (false, false) => StoreError::Refused { cause },
                })
            }
            _ => Err(error.into()),
        }
    }

    /// The reason at a position, if the condition of that item did not hold.
    pub(super) fn at(&self, position: usize) -> Option<&CancellationReason> {
        self.0.get(position).filter(|reason| reason.code() == Some(retry::CONDITION_FAILED))
    }

    /// Whether the item at a position is no longer, or may not stay, as it was read: its condition did not hold, or
    /// another transaction has it in hand. That one reaches its items one by one, so other conditions may have failed
    /// only because of it.
    pub(super) fn unsettled(&self, position: usize) -> bool {
        let code = self.0.get(position).and_then(CancellationReason::code);
        code.is_some_and(|code| code == retry::CONDITION_FAILED || retry::is_passing(code))
    }
}
