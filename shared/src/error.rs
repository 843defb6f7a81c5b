//! Everything that can go wrong as a client sees it: one variant per outcome, with its status and its public text.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    auth::{
        password::HashingFailed,
        token::{SigningFailed, TokenFault},
    },
    http::{
        faults::{Faults, FieldError},
        json::Malformed,
    },
    store::StoreError,
};

/// An error with everything that caused it, as the log tells it.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What a client is told instead of a success. `Display` is the public text; the source is for the log only.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No bearer token in the `authorization` header.
    #[error("A bearer token is required")]
    MissingToken,
    /// A token that is not good, whatever the reason.
    #[error("The token is not valid")]
    InvalidToken(TokenFault),
    /// A wrong password, or nobody with that email.
    #[error("Email or password invalid")]
    InvalidCredentials,
    /// The body is not declared as JSON.
    #[error("The content-type must be application/json")]
    UnsupportedMediaType,
    /// The body is larger than 64 KiB.
    #[error("The body must have at most 64 KiB")]
    PayloadTooLarge,
    /// The body is not one JSON object.
    #[error("The body is not one valid JSON object: {0}")]
    MalformedJson(Malformed),
    /// Fields or query parameters that break their rules, as many as a problem document lists.
    #[error("Some fields are not valid")]
    ValidationFailed(Faults),
    /// A cursor that this API did not give out.
    #[error("The cursor is not valid")]
    InvalidCursor,
    /// Nothing has this id.
    #[error("There is no movie with this id")]
    MovieNotFound,
    /// The movie was added by somebody else.
    #[error("Only the user who added a movie may change or delete it")]
    NotOwner,
    /// Somebody has signed up with this email.
    #[error("A user with this email already exists")]
    EmailTaken,
    /// There is a movie with this name.
    #[error("A movie with this name already exists")]
    MovieNameTaken {
        /// The movie that has the name, so that a client can tell whether an earlier try of its own created it.
        movie_id: Uuid,
    },
    /// The user has as many movies as one may have.
    #[error("You have as many movies as a user may have")]
    MovieLimitReached,
    /// Writes that one user sent at the same time kept conflicting with each other.
    #[error("Too many of your writes at the same time, please send them one after another")]
    TooManyConcurrentWrites(#[source] Cause),
    /// A token that is good, but older than this operation accepts.
    #[error("Log in again, and try within ten minutes")]
    FreshLoginRequired,
    /// The current password is wrong; the token is good.
    #[error("The current password is not right")]
    WrongPassword,
    /// Too many wrong passwords.
    #[error("Too many failed attempts, please wait")]
    TooManyAttempts {
        /// After how many seconds the next one may be made.
        retry_after: i64,
    },
    /// DynamoDB is throttling, failing or too slow, or a write kept meeting others. Trying again is right.
    #[error("The service is busy, please try again")]
    Unavailable(#[source] Cause),
    /// A fault of ours.
    #[error("Something went wrong on our side")]
    Internal(#[source] Cause),
}

/// The private reason for an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// After how many seconds a client may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// The challenges of a 401 (RFC 6750 section 3): the scheme wants at least one parameter, and only a request that sent a
/// token learns of an error.
const CHALLENGE: &str = "Bearer realm=\"movie-bag\"";
const CHALLENGE_OF_A_BAD_TOKEN: &str = "Bearer realm=\"movie-bag\", error=\"invalid_token\"";

/// The body of an error: problem details (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    /// The same text again, under the name that the clients of the tutorial read.
    error: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FieldError]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    movie_id: Option<Uuid>,
}

impl ApiError {
    /// The HTTP status that a client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingToken | Self::InvalidToken(_) | Self::InvalidCredentials => StatusCode::UNAUTHORIZED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MalformedJson(_) | Self::ValidationFailed(_) | Self::InvalidCursor => {
                StatusCode::BAD_REQUEST
            }
            Self::MovieNotFound => StatusCode::NOT_FOUND,
            Self::NotOwner | Self::FreshLoginRequired | Self::WrongPassword | Self::MovieLimitReached => {
                StatusCode::FORBIDDEN
            }
            Self::EmailTaken | Self::MovieNameTaken { .. } => StatusCode::CONFLICT,
            Self::TooManyAttempts { .. } | Self::TooManyConcurrentWrites(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The name of the outcome for programs. It never changes.
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
            Self::NotOwner => "not_owner",
            Self::EmailTaken => "email_taken",
            Self::MovieNameTaken { .. } => "movie_name_taken",
            Self::MovieLimitReached => "movie_limit_reached",
            Self::TooManyConcurrentWrites(_) => "too_many_concurrent_writes",
            Self::FreshLoginRequired => "fresh_login_required",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// The private reason, for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        if let Self::TooManyConcurrentWrites(cause) | Self::Unavailable(cause) | Self::Internal(cause) = self
        {
            Some(cause)
        } else {
            None
        }
    }

    /// The answer that tells a client of this error.
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
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE_OF_A_BAD_TOKEN));
            }
            Self::MissingToken | Self::InvalidCredentials => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            }
            Self::TooManyAttempts { retry_after } => {
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
            | Self::NotOwner
            | Self::EmailTaken
            | Self::MovieNameTaken { .. }
            | Self::MovieLimitReached
            | Self::FreshLoginRequired
            | Self::WrongPassword
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
