//! Which writes that met a transaction are tried again.

use aws_sdk_dynamodb::{
    config::{
        interceptors::InterceptorContext,
        retry::{ClassifyRetry, RetryAction},
    },
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::CancellationReason,
};

/// The reason code of an item whose condition did not hold.
pub(super) const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// The reason code of an item that another transaction has in hand.
pub(super) const CONFLICT: &str = "TransactionConflict";

/// The error code of a single write whose item a transaction has in hand.
pub(super) const CONFLICT_OF_A_SINGLE_WRITE: &str = "TransactionConflictException";

/// Whether an error or cancellation code tells of a state that passes by itself.
pub(super) fn is_passing(code: &str) -> bool {
    matches!(
        code,
        CONFLICT
            | CONFLICT_OF_A_SINGLE_WRITE
            | "TransactionInProgressException"
            | "ThrottlingError"
            | "ThrottlingException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "InternalServerError"
    )
}

/// Makes the SDK retry a transaction that met another one or was throttled, with its backoff, its jitter and, above
/// all, the same client request token: a transaction that was committed although its answer got lost is then a
/// success, and not a conflict with itself. A single write that met a transaction is retried, too. By default the SDK
/// gives up on both.
#[derive(Debug)]
pub struct TransactionConflicts;

impl ClassifyRetry for TransactionConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error =
            context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        let Some(error) = error else { return RetryAction::NoActionIndicated };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_ref() {
            retry_action(cancelled.cancellation_reasons())
        } else if let Some(UpdateItemError::TransactionConflictException(_)) = error.downcast_ref() {
            RetryAction::throttling_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "transaction conflicts"
    }
}

fn retry_action(reasons: &[CancellationReason]) -> RetryAction {
    let mut codes = reasons.iter().filter_map(CancellationReason::code);
    if codes.clone().any(|code| code == CONDITION_FAILED) {
        // A condition that does not hold is an answer, whatever else happened.
        RetryAction::NoActionIndicated
    } else if codes.any(is_passing) {
        RetryAction::throttling_error()
    } else {
        RetryAction::NoActionIndicated
    }
}
