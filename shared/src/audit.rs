//! The security log: one line per event, with fixed field names, and nothing secret in it.
//!
//! A line says `security_event`, the user's id where it is known, and within a request also its id and route. What a
//! client sent is never part of it, so nobody can forge one.

use lambda_http::tracing;
use uuid::Uuid;

use crate::{error::ApiError, telemetry};

/// Notes whom the request at hand is about, in this and in its other log lines.
pub fn about(user_id: Uuid) {
    tracing::Span::current().record("user_id", tracing::field::display(user_id));
    telemetry::about(user_id);
}

/// Somebody proved who they are.
pub fn logged_in() {
    tracing::info!(security_event = "logged_in");
}

/// A password was changed, and every earlier token of its user ended.
pub fn password_changed() {
    tracing::info!(security_event = "password_changed");
}

/// Every token of a user ended.
pub fn logged_out() {
    tracing::info!(security_event = "logged_out");
}

/// A user is leaving.
pub fn account_deletion_requested() {
    tracing::info!(security_event = "account_deletion_requested");
}

/// A leaving user is gone, or so many of their movies went.
pub fn account_deletion_progress(user_id: Uuid, movies: usize, finished: bool) {
    tracing::info!(security_event = "account_deletion_progress", %user_id, movies, finished);
}

/// Notes an error that is also a security event: a proof that failed or a right that was missing.
pub(crate) fn refused(error: &ApiError) {
    match error {
        ApiError::MissingToken => tracing::info!(security_event = "token_refused", reason = "missing"),
        ApiError::InvalidToken(fault) => tracing::info!(security_event = "token_refused", reason = %fault),
        ApiError::FreshLoginRequired => {
            tracing::info!(security_event = "token_refused", reason = "not_fresh");
        }
        ApiError::InvalidCredentials => tracing::info!(security_event = "login_failed"),
        ApiError::WrongPassword => tracing::info!(security_event = "password_check_failed"),
        ApiError::TooManyAttempts { .. } => tracing::info!(security_event = "attempt_blocked"),
        ApiError::NotOwner => tracing::info!(security_event = "write_forbidden"),
        ApiError::UnsupportedMediaType
        | ApiError::PayloadTooLarge
        | ApiError::MalformedJson(_)
        | ApiError::ValidationFailed(_)
        | ApiError::InvalidCursor
        | ApiError::MovieNotFound
        | ApiError::EmailTaken
        | ApiError::MovieNameTaken { .. }
        | ApiError::MovieLimitReached
        | ApiError::TooManyConcurrentWrites(_)
        | ApiError::Unavailable(_)
        | ApiError::Internal(_) => {}
    }
}
