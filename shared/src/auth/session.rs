//! Sessions: the tokens of users, checked against the users themselves.

use uuid::Uuid;

use super::token::{Claims, LIFETIME_SECONDS, SigningFailed, TokenFault, TokenKeys};
use crate::{
    model::{Clock, IdSource, Session},
    store::{StoreError, UserProjection, Users},
    telemetry,
};

/// Issues tokens and checks them.
#[derive(Debug)]
pub struct Sessions {
    keys: TokenKeys,
    users: Users,
    clock: Clock,
    ids: IdSource,
}

/// A token that was refused, or that could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The token is not valid.
    #[error("the token is not valid: {}", .0.name())]
    InvalidToken(TokenFault),
    /// The user could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A signed token and its lifetime.
pub struct IssuedToken {
    /// The token, in JWS compact serialization (RFC 7515 section 7.1).
    pub token: String,
    /// The lifetime in seconds.
    pub lifetime_seconds: i64,
}

impl Sessions {
    /// Signs and checks tokens with `keys`, and checks their users in `users`.
    #[must_use]
    pub fn new(keys: TokenKeys, users: Users, clock: Clock, ids: IdSource) -> Self {
        Self { keys, users, clock, ids }
    }

    /// Returns the session that a token names, after verifying signature and claims. That takes no request, so it does not
    /// show whether the session is current: the caller's write has to decide it, or [`Sessions::confirm`].
    pub fn verify(&self, token: &str) -> Result<Session, AuthenticationError> {
        let claims = self.keys.verify(token, self.clock.now()).map_err(AuthenticationError::InvalidToken)?;
        telemetry::identify(claims.sub);
        Ok(Session { user_id: claims.sub, epoch: claims.epoch, token_issued_at: claims.iat })
    }

    /// Returns attributes of a session's user, if the session is current. That takes one consistent read.
    pub async fn confirm<Projection: UserProjection>(
        &self,
        session: Session,
    ) -> Result<Projection, AuthenticationError> {
        let user = self.users.find_by_session(session).await?;
        user.map_err(|fault| AuthenticationError::InvalidToken(fault.into()))
    }

    /// Issues a token to a user whose password was verified.
    ///
    /// `session_epoch` must come from the same read as the hash: if the session has ended since then, the token is
    /// revoked from the start.
    pub fn issue(&self, user_id: Uuid, session_epoch: u64) -> Result<IssuedToken, SigningFailed> {
        let claims = Claims::new(user_id, session_epoch, self.ids.next_id(), self.clock.now());
        Ok(IssuedToken { token: self.keys.sign(&claims)?, lifetime_seconds: LIFETIME_SECONDS })
    }
}
