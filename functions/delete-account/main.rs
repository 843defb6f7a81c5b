//! `DELETE /api/auth/account`: the signed-in user leaves, and their movies go with them.
//!
//! 202 with the user's id; 401; 403 `fresh_login_required` for a token older than ten minutes. From then on no token of
//! the user works and no login succeeds; `purge-account` does the rest. Writes `Users` and `AccountDeletions`.

use serde::Serialize;
use shared::{
    app::{self, App},
    audit,
    auth::{session::Sessions, token::TokenFault},
    error::ApiError,
    http::{self, HandlerResult, Request},
    store::{AccountDeletions, DeletionRequest, Users},
};
use uuid::Uuid;

#[derive(Serialize)]
struct Left {
    id: Uuid,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users, deletions) = (app.sessions()?, app.users()?, app.account_deletions()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &deletions, request)).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    deletions: &AccountDeletions,
    request: Request,
) -> HandlerResult {
    let user = sessions.authenticate(&request).await?;
    let now = app::now();
    if !user.is_fresh(now) {
        return Err(ApiError::FreshLoginRequired);
    }
    match users.request_deletion(user.user_id, user.epoch, now, deletions).await? {
        DeletionRequest::Accepted => {
            audit::account_deletion_requested();
            http::accepted(&Left { id: user.user_id })
        }
        DeletionRequest::SessionEnded => Err(ApiError::InvalidToken(TokenFault::Revoked)),
    }
}
