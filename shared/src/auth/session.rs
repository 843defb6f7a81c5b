//! The user behind a request.

use lambda_http::tracing;
use uuid::Uuid;

use super::token::{TokenFault, TokenKey};
use crate::{
    app,
    error::ApiError,
    http::{self, Request},
    store::Users,
};

/// Tells whom a request comes from.
#[derive(Debug, Clone)]
pub struct Sessions {
    key: TokenKey,
    users: Users,
}

/// A user who proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id.
    pub user_id: Uuid,
}

impl Sessions {
    /// Checks tokens with `key`, and their users in `users`.
    #[must_use]
    pub fn new(key: TokenKey, users: Users) -> Self {
        Self { key, users }
    }

    /// The user whose token the request carries. The user must still be here, and must not have ended the sessions
    /// of the token's epoch: one consistent read.
    pub async fn authenticate(&self, request: &Request) -> Result<SignedIn, ApiError> {
        let token = http::bearer_token(request)?;
        let claims = self.key.verify(token, app::now()).map_err(ApiError::InvalidToken)?;
        match self.users.session_epoch(claims.sub).await? {
            None => Err(ApiError::InvalidToken(TokenFault::UserGone)),
            Some(epoch) if epoch != claims.epoch => Err(ApiError::InvalidToken(TokenFault::Revoked)),
            Some(_) => {
                tracing::Span::current().record("user_id", tracing::field::display(claims.sub));
                Ok(SignedIn { user_id: claims.sub })
            }
        }
    }
}
