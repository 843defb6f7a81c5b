//! How a request ended: the severity of its line, and the metrics that its response counts in.

use std::error::Error;

use lambda_http::http::StatusCode;

use super::{ApiError, HandlerResult, Response};
use crate::{
    store::StoreError,
    telemetry::{self, Completion, Metric, Severity},
};

/// A handler that did not finish in time.
#[derive(Debug, thiserror::Error)]
#[error("the function ran out of time")]
pub(super) struct OutOfTime;

/// The responses that count in a metric of their own: operation, status, metric.
const OUTCOMES: [(&str, u16, Metric); 7] = [
    ("signup", 200, Metric::Signups),
    ("login", 200, Metric::LoginsSucceeded),
    ("login", 401, Metric::LoginsFailed),
    ("login", 429, Metric::LoginsThrottled),
    ("create-movie", 200, Metric::MoviesCreated),
    ("forgot-password", 202, Metric::ResetsRequested),
    ("reset-password", 200, Metric::PasswordsReset),
];

/// Returns the completion of a request, and counts its metrics.
pub(super) fn of(operation: &str, result: &HandlerResult) -> Completion {
    let status = result.as_ref().map_or_else(ApiError::status, Response::status);
    let error = result.as_ref().err();
    let cause = error.and_then(Error::source);
    for (_, _, metric) in OUTCOMES.iter().filter(|(name, on, _)| *name == operation && *on == status.as_u16())
    {
        telemetry::count(*metric);
    }
    if status.is_server_error() {
        telemetry::count(Metric::ServerErrors);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            telemetry::count(Metric::InternalErrors);
        }
        if cause.is_some_and(is_database_error) {
            telemetry::count(Metric::DatabaseErrors);
        }
    }
    let level = match status {
        StatusCode::INTERNAL_SERVER_ERROR => Severity::Error,
        StatusCode::SERVICE_UNAVAILABLE => Severity::Warn,
        _ => Severity::Info,
    };
    Completion {
        level,
        message: "request completed",
        status: Some(status.as_u16()),
        code: error.map(ApiError::code),
        cause: cause.map(telemetry::error_chain),
    }
}

/// Returns whether DynamoDB caused an error. Handlers wait for nothing else, so it also causes a timeout.
fn is_database_error(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<StoreError>() || cause.is::<OutOfTime>()
}
