//! Errors of requests to DynamoDB, by what they mean for the caller.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::{BoxError, BuildError, ProvideErrorMetadata, SdkError},
    operation::{transact_write_items::TransactWriteItemsError, update_item::UpdateItemError},
    types::{AttributeValue, CancellationReason},
};

use super::retry;

/// A request without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB throttled, failed or was too slow, or a transaction kept conflicting with others, until the SDK's retries
    /// were used up. The same request may succeed later.
    #[error("DynamoDB is unavailable")]
    Unavailable {
        /// The last error.
        #[source]
        cause: BoxError,
    },
    /// Concurrent writes of one user kept conflicting on that user's items.
    #[error("the user's own writes keep conflicting")]
    Contended {
        /// The last error.
        #[source]
        cause: BoxError,
    },
    /// DynamoDB refused the request, or it could not be built: access is denied, a table is missing, or the request is
    /// invalid. A retry does not help.
    #[error("DynamoDB refused the request")]
    Refused {
        /// The error.
        #[source]
        cause: BoxError,
    },
    /// An item does not have the form that this system writes.
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
            // Of the single writes in handlers, only those to users, movies and the strict counters of password attempts
            // can conflict with a transaction. Only requests of one user write to a user or a movie; the writes to the
            // counters use `without_contention` instead. Functions without a route only log conflicts.
            return Self::Contended { cause: error.into() };
        }
        Self::without_contention(error)
    }
}

impl StoreError {
    /// Converts an error without attributing a conflict to one user: a conflict is [`Self::Unavailable`], not
    /// [`Self::Contended`]. For writes to items that requests of several users share, such as a counter of failed logins.
    pub(super) fn without_contention<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let passing = match &error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_io(),
            SdkError::ServiceError(service) => {
                service.raw().status().is_server_error()
                    || service.err().code().is_some_and(retry::is_transient)
            }
            _ => false,
        };
        let cause = error.into();
        if passing { Self::Unavailable { cause } } else { Self::Refused { cause } }
    }
}

/// Returns the current item of an update whose condition failed; `None` if there is no item or the update did not request
/// it. Any other error is returned as a [`StoreError`].
pub(super) fn failed_condition(
    error: SdkError<UpdateItemError>,
) -> Result<Option<HashMap<String, AttributeValue>>, StoreError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item.clone()),
        _ => Err(error.into()),
    }
}

/// A transaction that was canceled because conditions failed: one reason for each of its items, in order.
pub(super) struct FailedConditions(Vec<CancellationReason>);

impl FailedConditions {
    /// Returns the reasons of a transaction with a failed condition, and any other error as a [`StoreError`].
    ///
    /// `own` lists the positions of items that only one user's requests write to: a conflict there is between requests of
    /// that user.
    pub(super) fn of(error: SdkError<TransactWriteItemsError>, own: &[usize]) -> Result<Self, StoreError> {
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons();
                if reasons.iter().any(|reason| reason.code() == Some(retry::CONDITION_FAILED)) {
                    return Ok(Self(reasons.to_vec()));
                }
                let codes = || reasons.iter().filter_map(CancellationReason::code);
                let conflicts = own.iter().filter_map(|position| reasons.get(*position)?.code());
                let contended = conflicts.into_iter().any(|code| code == retry::CONFLICT);
                let passing = codes().any(retry::is_transient);
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

    /// Returns the reason at a position if the condition of that item failed.
    pub(super) fn at(&self, position: usize) -> Option<&CancellationReason> {
        self.0.get(position).filter(|reason| reason.code() == Some(retry::CONDITION_FAILED))
    }

    /// Returns whether the item at a position has changed since it was read, or may be changing: its condition failed, or
    /// another transaction is writing it. That transaction writes its items one by one, so it can also be the cause of
    /// other failed conditions.
    pub(super) fn unsettled(&self, position: usize) -> bool {
        let code = self.0.get(position).and_then(CancellationReason::code);
        code.is_some_and(|code| code == retry::CONDITION_FAILED || retry::is_transient(code))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        config::http::HttpResponse,
        error::ErrorMetadata,
        operation::transact_write_items::TransactWriteItemsError,
        types::{CancellationReason, error::TransactionCanceledException},
    };
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;

    use super::{FailedConditions, SdkError, StoreError};

    type Error = SdkError<ErrorMetadata>;

    fn response(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().expect("a status"), SdkBody::empty())
    }

    fn service(code: &str, status: u16) -> Error {
        Error::service_error(ErrorMetadata::builder().code(code).build(), response(status))
    }

    #[test]
    fn a_transient_error_is_unavailable() {
        let lost = ConnectorError::io("the connection was closed".into());
        for error in [
            Error::timeout_error("slow"),
            Error::response_error("incomplete", response(200)),
            Error::dispatch_failure(lost),
            Error::service_error(ErrorMetadata::builder().build(), response(503)),
            service("ThrottlingException", 400),
        ] {
            let error = StoreError::from(error);
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_permanent_error_is_refused() {
        for error in [
            Error::construction_failure("no table"),
            Error::dispatch_failure(ConnectorError::user("no address".into())),
            service("AccessDeniedException", 400),
        ] {
            let error = StoreError::from(error);
            assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_write_that_conflicts_with_a_transaction_is_contended() {
        let error = StoreError::from(service("TransactionConflictException", 400));
        assert!(matches!(error, StoreError::Contended { .. }), "{error:?}");
    }

    /// Returns the error of a transaction with these codes. Its first item is one that only one user writes.
    fn canceled(codes: &[&str]) -> Option<StoreError> {
        let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        let canceled =
            TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons)).build();
        let error = TransactWriteItemsError::TransactionCanceledException(canceled);
        FailedConditions::of(SdkError::service_error(error, response(400)), &[0]).err()
    }

    #[test]
    fn a_canceled_transaction_is_an_error_unless_a_condition_failed() {
        assert!(canceled(&["TransactionConflict", "ConditionalCheckFailed"]).is_none());
        for (codes, contended, unavailable) in [
            (["TransactionConflict", "None"], true, false),
            (["None", "TransactionConflict"], false, true),
            (["ThrottlingError", "None"], false, true),
            (["None", "ValidationError"], false, false),
        ] {
            let error = canceled(&codes).expect("an error");
            assert_eq!(matches!(error, StoreError::Contended { .. }), contended, "{codes:?}: {error:?}");
            assert_eq!(matches!(error, StoreError::Unavailable { .. }), unavailable, "{codes:?}: {error:?}");
        }
    }
}
