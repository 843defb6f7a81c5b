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

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::error::{TransactionCanceledException, TransactionConflictException};
    use aws_smithy_runtime_api::client::{
        interceptors::context::{Error, Input},
        orchestrator::OrchestratorError,
    };

    use super::{
        CancellationReason, ClassifyRetry, DeleteItemError, InterceptorContext, PutItemError, RetryAction,
        TransactWriteItemsError, TransactionConflicts, UpdateItemError,
    };

    fn is_retried<E: std::error::Error + Send + Sync + 'static>(error: E) -> bool {
        let mut context = InterceptorContext::new(Input::erase(()));
        context.set_output_or_error(Err(OrchestratorError::operation(Error::erase(error))));
        TransactionConflicts.classify_retry(&context) != RetryAction::NoActionIndicated
    }

    fn is_retried_with(codes: &[&str]) -> bool {
        let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        let canceled =
            TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        is_retried(TransactWriteItemsError::TransactionCanceledException(canceled))
    }

    #[test]
    fn every_kind_of_write_that_conflicts_is_retried() {
        let conflict = || TransactionConflictException::builder().build();
        assert!(is_retried(PutItemError::TransactionConflictException(conflict())));
        assert!(is_retried(UpdateItemError::TransactionConflictException(conflict())));
        assert!(is_retried(DeleteItemError::TransactionConflictException(conflict())));
        assert!(is_retried_with(&["None", "TransactionConflict"]));
        assert!(is_retried_with(&["ThrottlingError", "None"]));
    }

    #[test]
    fn a_permanent_failure_is_not_retried() {
        assert!(!is_retried_with(&["ConditionalCheckFailed", "TransactionConflict"]));
        assert!(!is_retried_with(&["None", "ValidationError"]));
    }
}
