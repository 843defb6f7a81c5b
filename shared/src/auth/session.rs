//! Sessions: the tokens of users, checked against the users themselves.

use uuid::Uuid;

use super::token::{Claims, LIFETIME_SECONDS, SigningFailed, TokenFault, TokenKeys};
use crate::{
    model::{Clock, IdSource, Timestamp},
    store::{StoreError, UserProjection, Users},
    telemetry,
};

/// How long a login counts as recent.
const RECENT_SECONDS: i64 = 10 * 60;

/// Issues tokens and checks them.
#[derive(Debug)]
pub struct Sessions {
    keys: TokenKeys,
    users: Users,
    clock: Clock,
    ids: IdSource,
}

/// The user of a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatedUser {
    /// The user's id.
    pub id: Uuid,
    /// The epoch of the session.
    pub session_epoch: u64,
    /// The time at which the token was issued, in seconds since 1970.
    token_issued_at: i64,
}

impl AuthenticatedUser {
    /// Returns whether the user entered the password at most ten minutes ago. Operations that a stolen token must not
    /// permit require it.
    #[must_use]
    pub fn logged_in_recently(&self, now: Timestamp) -> bool {
        now.unix_seconds() - self.token_issued_at <= RECENT_SECONDS
    }
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

    /// Returns the user of a token. The user must be active and still have the session epoch of the token. That takes one
    /// consistent read.
    pub async fn authenticate(&self, token: &str) -> Result<AuthenticatedUser, AuthenticationError> {
        let (user, ()) = self.authenticate_with(token).await?;
        Ok(user)
    }

    /// Returns the user of a token as [`Sessions::authenticate`] does, with further attributes from the same read.
    pub async fn authenticate_with<Projection: UserProjection>(
        &self,
        token: &str,
    ) -> Result<(AuthenticatedUser, Projection), AuthenticationError> {
        let claims = self.keys.verify(token, self.clock.now()).map_err(AuthenticationError::InvalidToken)?;
        telemetry::identify(claims.sub);
        match self.users.find_session(claims.sub).await? {
            None => Err(AuthenticationError::InvalidToken(TokenFault::UserGone)),
            Some((epoch, _)) if epoch != claims.epoch => {
                Err(AuthenticationError::InvalidToken(TokenFault::Revoked))
            }
            Some((session_epoch, projection)) => {
                let user = AuthenticatedUser { id: claims.sub, session_epoch, token_issued_at: claims.iat };
                Ok((user, projection))
            }
        }
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::AuthenticatedUser;
    use crate::model::Timestamp;

    #[test]
    fn a_login_is_recent_for_exactly_ten_minutes() {
        let issued = 1_762_217_773;
        let user = AuthenticatedUser { id: Uuid::nil(), session_epoch: 0, token_issued_at: issued };
        for (milliseconds, recent) in [
            (-5_000, true),
            (0, true),
            (600_000, true),
            (600_999, true),
            (601_000, false),
            (86_400_000, false),
        ] {
            let now = Timestamp::from_unix_milliseconds(issued * 1_000 + milliseconds).expect("a time");
            assert_eq!(user.logged_in_recently(now), recent, "after {milliseconds} ms");
        }
    }
}
