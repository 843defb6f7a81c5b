//! The user behind a request.

use serde::Serialize;
use uuid::Uuid;

use super::token::{Claims, LIFETIME_SECONDS, SigningFailed, TokenFault, TokenKeys};
use crate::{
    app, audit,
    error::ApiError,
    http::{self, Request},
    model::Timestamp,
    store::{PartOfUser, Users},
};

/// How long a login counts as fresh.
const FRESH_SECONDS: i64 = 10 * 60;

/// Tells whom a request comes from.
#[derive(Debug, Clone)]
pub struct Sessions {
    keys: TokenKeys,
    users: Users,
}

/// A user who proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id.
    pub user_id: Uuid,
    /// The epoch of their session.
    pub epoch: u64,
    /// When they got their token, in seconds since 1970.
    token_issued_at: i64,
}

impl SignedIn {
    /// Whether the password was given at most ten minutes ago, for what must not be done with a token that was found.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.unix_seconds() - self.token_issued_at <= FRESH_SECONDS
    }
}

/// A session that has begun, as its user gets it.
#[derive(Serialize)]
pub struct Session {
    token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
}

impl Sessions {
    /// Checks tokens with `keys`, and their users in `users`.
    #[must_use]
    pub fn new(keys: TokenKeys, users: Users) -> Self {
        Self { keys, users }
    }

    /// The user whose token the request carries. The user must still be here, and must not have ended the sessions
    /// of the token's epoch: one consistent read.
    pub async fn authenticate(&self, request: &Request) -> Result<SignedIn, ApiError> {
        let (user, ()) = self.authenticate_with(request).await?;
        Ok(user)
    }

    /// As [`Sessions::authenticate`], with a part of the user that the same read gives.
    pub async fn authenticate_with<Part: PartOfUser>(
        &self,
        request: &Request,
    ) -> Result<(SignedIn, Part), ApiError> {
        let token = http::bearer_token(request)?;
        let claims = self.keys.verify(token, app::now()).map_err(ApiError::InvalidToken)?;
        audit::about(claims.sub);
        match self.users.session(claims.sub).await? {
            None => Err(ApiError::InvalidToken(TokenFault::UserGone)),
            Some((epoch, _)) if epoch != claims.epoch => Err(ApiError::InvalidToken(TokenFault::Revoked)),
            Some((epoch, part)) => {
                Ok((SignedIn { user_id: claims.sub, epoch, token_issued_at: claims.iat }, part))
            }
        }
    }

    /// A token for a user who proved who they are. `epoch` must come from the same read as the proof: a token of an
    /// epoch that has ended meanwhile is dead from the beginning.
    pub fn begin(&self, user_id: Uuid, epoch: u64) -> Result<Session, SigningFailed> {
        let claims = Claims::new(user_id, epoch, app::new_id(), app::now());
        Ok(Session { token: self.keys.sign(&claims)?, token_type: "Bearer", expires_in: LIFETIME_SECONDS })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::SignedIn;
    use crate::model::Timestamp;

    #[test]
    fn a_login_is_fresh_for_ten_minutes_and_not_a_second_longer() {
        let issued = 1_762_217_773;
        let user = SignedIn { user_id: Uuid::nil(), epoch: 0, token_issued_at: issued };
        for (milliseconds, fresh) in [
            (-5_000, true),
            (0, true),
            (600_000, true),
            (600_999, true),
            (601_000, false),
            (86_400_000, false),
        ] {
            let now = Timestamp::from_unix_milliseconds(issued * 1_000 + milliseconds).expect("a time");
            assert_eq!(user.is_fresh(now), fresh, "after {milliseconds} ms");
        }
    }
}
