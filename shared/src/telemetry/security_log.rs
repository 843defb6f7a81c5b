//! The security log: one line for each security event, with fixed field names and without secrets.
//!
//! A line has the field `security_event` and, where they are known, the user's id, the request's id and its route. It
//! never contains text that a client sent, so a client cannot forge a line.

use uuid::Uuid;

/// An event of the security log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityEvent {
    /// A login succeeded.
    LoggedIn,
    /// A password was changed, which revoked every earlier token of the user.
    PasswordChanged,
    /// A client asked for a password reset. Whether the email has an account is not known at that time.
    ResetRequested,
    /// A mail with a reset token was sent.
    ResetMailSent {
        /// The user whose password the token resets.
        user_id: Uuid,
    },
    /// A password was reset, which revoked every earlier token of the user.
    PasswordReset,
    /// A reset token, or a request for one, was refused.
    ResetRefused {
        /// Why, as a fixed word.
        reason: &'static str,
    },
    /// A user logged out, which revoked every token of the user.
    LoggedOut,
    /// A user requested the deletion of the account.
    AccountDeletionRequested,
    /// An account deletion deleted movies, or finished.
    AccountDeletionProgress {
        /// The user whose account is being deleted.
        user_id: Uuid,
        /// How many movies this step deleted.
        movies: usize,
        /// Whether the user is deleted, too.
        finished: bool,
    },
    /// A request had no token, or one that was refused.
    TokenRefused {
        /// Why, as a fixed word.
        reason: &'static str,
    },
    /// A login failed: the password was wrong or the email unknown.
    LoginFailed,
    /// A signed-in user submitted a wrong current password.
    PasswordCheckFailed,
    /// A password attempt was refused because of earlier failures.
    AttemptBlocked,
    /// A user tried to change or delete another user's movie.
    WriteForbidden,
}

impl SecurityEvent {
    /// Writes the event to the log.
    pub fn log(self) {
        match self {
            Self::LoggedIn => tracing::info!(security_event = "logged_in"),
            Self::PasswordChanged => tracing::info!(security_event = "password_changed"),
            Self::ResetRequested => tracing::info!(security_event = "reset_requested"),
            Self::ResetMailSent { user_id } => {
                tracing::info!(security_event = "reset_mail_sent", %user_id);
            }
            Self::PasswordReset => tracing::info!(security_event = "password_reset"),
            Self::ResetRefused { reason } => tracing::info!(security_event = "reset_refused", %reason),
            Self::LoggedOut => tracing::info!(security_event = "logged_out"),
            Self::AccountDeletionRequested => tracing::info!(security_event = "account_deletion_requested"),
            Self::AccountDeletionProgress { user_id, movies, finished } => {
                tracing::info!(security_event = "account_deletion_progress", %user_id, movies, finished);
            }
            Self::TokenRefused { reason } => tracing::info!(security_event = "token_refused", %reason),
            Self::LoginFailed => tracing::info!(security_event = "login_failed"),
            Self::PasswordCheckFailed => tracing::info!(security_event = "password_check_failed"),
            Self::AttemptBlocked => tracing::info!(security_event = "attempt_blocked"),
            Self::WriteForbidden => tracing::info!(security_event = "write_forbidden"),
        }
    }
}
