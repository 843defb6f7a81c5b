//! Retries of writes that conflicted with a transaction.

use aws_sdk_dynamodb::{
    config::{
        interceptors::InterceptorContext,
        retry::{ClassifyRetry, RetryAction},
    },
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    types::CancellationReason,
};

/// The cancellation reason of an item whose condition failed.
pub(super) const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// The cancellation reason of an item that another transaction is writing.
pub(super) const CONFLICT: &str = "TransactionConflict";

/// The error code of a single write to an item that a transaction is writing.
pub(super) const CONFLICT_OF_A_SINGLE_WRITE: &str = "TransactionConflictException";

/// Returns whether an error code or cancellation reason describes a temporary state.
pub(super) fn is_transient(code: &str) -> bool {
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

/// Makes the SDK retry a transaction that was throttled or conflicted with another one, and a single write that
/// conflicted with a transaction. By default the SDK retries neither.
///
/// The SDK adds backoff and jitter and, above all, repeats the client request token: if a transaction was committed and
/// its response lost, the retry succeeds instead of conflicting with itself.
#[derive(Debug)]
pub struct TransactionConflicts;

impl ClassifyRetry for TransactionConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error =
            context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        let Some(error) = error else { return RetryAction::NoActionIndicated };
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.downcast_ref() {
            retry_action(canceled.cancellation_reasons())
        } else if matches!(error.downcast_ref(), Some(UpdateItemError::TransactionConflictException(_)))
            || matches!(error.downcast_ref(), Some(PutItemError::TransactionConflictException(_)))
            || matches!(error.downcast_ref(), Some(DeleteItemError::TransactionConflictException(_)))
        {
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
        // A failed condition is an outcome, whatever the other reasons are.
        RetryAction::NoActionIndicated
    } else if codes.any(is_transient) {
        RetryAction::throttling_error()
    } else {
        RetryAction::NoActionIndicated
    }
}
