//! Operations whose access to DynamoDB decides whether the session is current.

use std::ops::AsyncFnOnce;

use super::{ApiError, HandlerResult, Request, bearer_token};
use crate::{auth::Sessions, model::Session};

/// Carries out an operation for the session of the request's token.
///
/// Verifying the token takes no request to DynamoDB. `operation` must therefore write only on the condition that the
/// session is current, which also refuses a write that is in flight when the session ends, or read the session before it
/// writes. If it returns another client error (4xx), one read shows whether the session is current: a client with an ended
/// session gets 401 and learns nothing else. A session that has ended never becomes current again, so this read also tells
/// the reasons of one failed condition apart.
pub async fn with_session(
    sessions: &Sessions,
    request: &Request,
    operation: impl AsyncFnOnce(Session) -> HandlerResult,
) -> HandlerResult {
    let session = sessions.verify(bearer_token(request)?)?;
    let result = operation(session).await;
    if let Err(error) = &result
        && error.status().is_client_error()
        && !matches!(error, ApiError::InvalidToken(_))
    {
        let () = sessions.confirm(session).await?;
    }
    result
}
