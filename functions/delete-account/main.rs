//! `DELETE /api/auth/account`: requests the deletion of the signed-in user's account with its movies.
//!
//! 202 with the user's id; 401; 403 `fresh_login_required` for a token that is older than ten minutes; 429
//! `too_many_concurrent_writes`. Every token of the user is revoked and no login succeeds; `purge-account` carries out the
//! deletion. Writes `Users` and `AccountDeletions`.

use shared::{
    auth::Sessions,
    http::{self, ApiError, HandlerResult, IdResponse, Request},
    model::Clock,
    runtime::{App, CLOCK},
    store::{AccountDeletions, RequestDeletionOutcome, Users},
    telemetry::SecurityEvent,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users, deletions) = (app.sessions()?, app.users()?, app.account_deletions()?);
    let handle = |request| handle(&sessions, &users, &deletions, CLOCK, request);
    http::serve(env!("CARGO_BIN_NAME"), handle).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    deletions: &AccountDeletions,
    clock: Clock,
    request: Request,
) -> HandlerResult {
    http::with_session(sessions, &request, async |session| {
        let now = clock.now();
        if !session.began_recently(now) {
            return Err(ApiError::FreshLoginRequired);
        }
        match users.request_deletion(session, now, deletions).await? {
            RequestDeletionOutcome::Requested => {
                SecurityEvent::AccountDeletionRequested.log();
                http::accepted(&IdResponse { id: session.user_id })
            }
            RequestDeletionOutcome::SessionEnded(fault) => Err(fault.into()),
        }
    })
    .await
}
