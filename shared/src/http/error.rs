//! The errors of the API.
//!
//! [`ApiError`] has one variant per outcome that a client can distinguish. Handlers return it. The layers below return
//! errors of their own, which this file converts exhaustively, and outcomes, which the handlers map. `Display` is the text
//! for the client; the source of an error is only for the log.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    faults::{Faults, FieldFault},
    json::Malformed,
};
use crate::{
    auth::{
        AuthenticationError, HashingFailed, PasswordCheckError, PasswordEndpoint, PasswordResetError,
        ResetRequestError, ResetTokenFault, SigningFailed, TokenFault,
    },
    store::{SessionFault, StoreError},
    telemetry::SecurityEvent,
};

/// An error as the client sees it.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The `authorization` header contains no bearer token.
    #[error("A bearer token is required")]
    MissingToken,
    /// The token is refused. The client does not learn the reason.
    #[error("The token is not valid")]
    InvalidToken(TokenFault),
    /// The password is wrong, or no user has the email.
    #[error("Email or password invalid")]
    InvalidCredentials,
    /// The content type of the body is not JSON.
    #[error("The content-type must be application/json")]
    UnsupportedMediaType,
    /// The body is larger than 64 KiB.
    #[error("The body must have at most 64 KiB")]
    PayloadTooLarge,
    /// The body is not a single JSON object.
    #[error("The body is not one valid JSON object: {0}")]
    MalformedJson(Malformed),
    /// Fields or query parameters are invalid. The problem document lists as many as fit.
    #[error("Some fields are not valid")]
    ValidationFailed(Faults),
    /// This API did not issue the cursor.
    #[error("The cursor is not valid")]
    InvalidCursor,
    /// No movie has this id.
    #[error("There is no movie with this id")]
    MovieNotFound,
    /// The API's own pages have no file with this name.
    #[error("There is no file with this name")]
    FileNotFound,
    /// Another user added the movie.
    #[error("Only the user who added a movie may change or delete it")]
    NotOwner,
    /// The movie has none of the versions in `if-match`.
    #[error("The header if-match does not list the movie's current entity tag")]
    PreconditionFailed,
    /// A user has this email.
    #[error("A user with this email already exists")]
    EmailTaken,
    /// A movie has this name.
    #[error("A movie with this name already exists")]
    MovieNameTaken {
        /// The movie that has the name, so that a client can tell whether an earlier request of its own created it.
        movie_id: Uuid,
    },
    /// The user has the maximum number of movies.
    #[error("You have as many movies as a user may have")]
    MovieLimitReached,
    /// Concurrent writes of one user kept conflicting with each other.
    #[error("Too many of your writes at the same time, please send them one after another")]
    TooManyConcurrentWrites(#[source] lambda_http::Error),
    /// The token is valid, but older than this operation accepts.
    #[error("Log in again, and try within ten minutes")]
    FreshLoginRequired,
    /// The token is valid, but the current password is wrong.
    #[error("The current password is incorrect")]
    WrongPassword,
    /// The reset token is refused. The client does not learn the reason.
    #[error("The reset token is not valid; request a new one")]
    InvalidResetToken(ResetTokenFault),
    /// Earlier failures block the password attempt.
    #[error("Too many failed attempts, please wait")]
    TooManyAttempts {
        /// The number of seconds after which the next attempt is admitted.
        retry_after: i64,
    },
    /// The client's address has requested too many password resets.
    #[error("Too many requests for a password reset; wait before you try again")]
    TooManyResetRequests {
        /// The number of seconds after which the next request is admitted.
        retry_after: i64,
    },
    /// DynamoDB throttles, fails or is too slow, or a write kept conflicting with others. A retry is right.
    #[error("The service is busy, please try again")]
    Unavailable(#[source] lambda_http::Error),
    /// An internal fault.
    #[error("Something went wrong on our side")]
    Internal(#[source] lambda_http::Error),
}

/// The number of seconds after which a client should retry.
const RETRY_AFTER_SECONDS: &str = "1";

/// The challenges of a 401 (RFC 6750 section 3): the scheme requires at least one parameter, and only a request with a token
/// gets an error.
const CHALLENGE: &str = "Bearer realm=\"movie-bag\"";
const CHALLENGE_FOR_INVALID_TOKEN: &str = "Bearer realm=\"movie-bag\", error=\"invalid_token\"";

/// The body of an error: problem details (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    /// The same text as `detail`, in the member that clients of the Flask tutorial read.
    error: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FieldFault]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    movie_id: Option<Uuid>,
}

impl ApiError {
    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingToken | Self::InvalidToken(_) | Self::InvalidCredentials => StatusCode::UNAUTHORIZED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MalformedJson(_) | Self::ValidationFailed(_) | Self::InvalidCursor => {
                StatusCode::BAD_REQUEST
            }
            Self::MovieNotFound | Self::FileNotFound => StatusCode::NOT_FOUND,
            Self::NotOwner
            | Self::FreshLoginRequired
            | Self::WrongPassword
            | Self::InvalidResetToken(_)
            | Self::MovieLimitReached => StatusCode::FORBIDDEN,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::EmailTaken | Self::MovieNameTaken { .. } => StatusCode::CONFLICT,
            Self::TooManyAttempts { .. }
            | Self::TooManyResetRequests { .. }
            | Self::TooManyConcurrentWrites(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the name of the error for programs. A name never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::InvalidToken(_) => "invalid_token",
            Self::InvalidCredentials | Self::WrongPassword => "invalid_credentials",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::PayloadTooLarge => "payload_too_large",
            Self::MalformedJson(_) => "malformed_json",
            Self::ValidationFailed(_) => "validation_failed",
            Self::InvalidCursor => "invalid_cursor",
            Self::MovieNotFound => "movie_not_found",
            Self::FileNotFound => "file_not_found",
            Self::NotOwner => "not_owner",
            Self::PreconditionFailed => "precondition_failed",
            Self::EmailTaken => "email_taken",
            Self::MovieNameTaken { .. } => "movie_name_taken",
            Self::MovieLimitReached => "movie_limit_reached",
            Self::TooManyConcurrentWrites(_) => "too_many_concurrent_writes",
            Self::FreshLoginRequired => "fresh_login_required",
            Self::InvalidResetToken(_) => "invalid_reset_token",
            Self::TooManyAttempts { .. } | Self::TooManyResetRequests { .. } => "too_many_attempts",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// Returns the security event of an error: a failed authentication or a missing permission.
    #[must_use]
    pub fn security_event(&self) -> Option<SecurityEvent> {
        match self {
            Self::MissingToken => Some(SecurityEvent::TokenRefused { reason: "missing" }),
            Self::InvalidToken(fault) => Some(SecurityEvent::TokenRefused { reason: fault.name() }),
            Self::FreshLoginRequired => Some(SecurityEvent::TokenRefused { reason: "not_fresh" }),
            Self::InvalidCredentials => Some(SecurityEvent::LoginFailed),
            Self::WrongPassword => Some(SecurityEvent::PasswordCheckFailed),
            Self::InvalidResetToken(fault) => Some(SecurityEvent::ResetRefused { reason: fault.name() }),
            Self::TooManyAttempts { .. } => Some(SecurityEvent::AttemptBlocked),
            Self::TooManyResetRequests { .. } => {
                Some(SecurityEvent::ResetRefused { reason: "too_many_requests" })
            }
            Self::NotOwner => Some(SecurityEvent::WriteForbidden),
            Self::UnsupportedMediaType
            | Self::PayloadTooLarge
            | Self::MalformedJson(_)
            | Self::ValidationFailed(_)
            | Self::InvalidCursor
            | Self::MovieNotFound
            | Self::FileNotFound
            | Self::PreconditionFailed
            | Self::EmailTaken
            | Self::MovieNameTaken { .. }
            | Self::MovieLimitReached
            | Self::TooManyConcurrentWrites(_)
            | Self::Unavailable(_)
            | Self::Internal(_) => None,
        }
    }

    /// Returns the response for a client: problem details with the headers of the error.
    #[must_use]
    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let status = self.status();
        let detail = self.to_string();
        let problem = Problem {
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code(),
            detail: &detail,
            error: &detail,
            request_id,
            errors: if let Self::ValidationFailed(faults) = &self { Some(faults.as_slice()) } else { None },
            movie_id: if let Self::MovieNameTaken { movie_id } = self { Some(movie_id) } else { None },
        };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = Response::new(Body::Text(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match &self {
            Self::InvalidToken(_) => {
                let challenge = HeaderValue::from_static(CHALLENGE_FOR_INVALID_TOKEN);
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Self::MissingToken | Self::InvalidCredentials => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            }
            Self::TooManyAttempts { retry_after } | Self::TooManyResetRequests { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Self::Unavailable(_) | Self::TooManyConcurrentWrites(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            Self::UnsupportedMediaType
            | Self::PayloadTooLarge
            | Self::MalformedJson(_)
            | Self::ValidationFailed(_)
            | Self::InvalidCursor
            | Self::MovieNotFound
            | Self::FileNotFound
            | Self::NotOwner
            | Self::PreconditionFailed
            | Self::EmailTaken
            | Self::MovieNameTaken { .. }
            | Self::MovieLimitReached
            | Self::FreshLoginRequired
            | Self::WrongPassword
            | Self::InvalidResetToken(_)
            | Self::Internal(_) => {}
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended { .. } => Self::TooManyConcurrentWrites(error.into()),
            StoreError::Unavailable { .. } => Self::Unavailable(error.into()),
            StoreError::Refused { .. } | StoreError::Corrupt { .. } => Self::Internal(error.into()),
        }
    }
}

impl From<AuthenticationError> for ApiError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::InvalidToken(fault) => Self::InvalidToken(fault),
            AuthenticationError::Store(error) => error.into(),
        }
    }
}

impl From<SessionFault> for ApiError {
    fn from(fault: SessionFault) -> Self {
        Self::InvalidToken(fault.into())
    }
}

impl From<PasswordCheckError> for ApiError {
    fn from(error: PasswordCheckError) -> Self {
        match error {
            PasswordCheckError::TooManyAttempts { retry_after } => Self::TooManyAttempts { retry_after },
            PasswordCheckError::WrongPassword(PasswordEndpoint::Login) => Self::InvalidCredentials,
            PasswordCheckError::WrongPassword(PasswordEndpoint::ChangePassword) => Self::WrongPassword,
            PasswordCheckError::Hashing(error) => error.into(),
            PasswordCheckError::Store(error) => error.into(),
        }
    }
}

impl From<ResetRequestError> for ApiError {
    fn from(error: ResetRequestError) -> Self {
        match error {
            ResetRequestError::TooManyRequests { retry_after } => Self::TooManyResetRequests { retry_after },
            ResetRequestError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordResetError> for ApiError {
    fn from(error: PasswordResetError) -> Self {
        match error {
            PasswordResetError::InvalidToken(fault) => Self::InvalidResetToken(fault),
            PasswordResetError::Store(error) => error.into(),
        }
    }
}

impl From<HashingFailed> for ApiError {
    fn from(error: HashingFailed) -> Self {
        Self::Internal(error.into())
    }
}

impl From<SigningFailed> for ApiError {
    fn from(error: SigningFailed) -> Self {
        Self::Internal(error.into())
    }
}
