//! `POST /api/auth/logout`: ends every session of the signed-in user.
//!
//! 200 with `{}`; 401; 429 `too_many_concurrent_writes`. Every token issued so far is revoked. Writes `Users`.

use serde::Serialize;
use shared::{
    auth::{Sessions, TokenFault},
    http::{self, ApiError, HandlerResult, Request},
    runtime::App,
    store::{LogoutOutcome, Users},
    telemetry::SecurityEvent,
};

#[derive(Serialize)]
struct LogoutResponse {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users) = (app.sessions()?, app.users()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, request)).await
}

async fn handle(sessions: &Sessions, users: &Users, request: Request) -> HandlerResult {
    let user = sessions.authenticate(http::bearer_token(&request)?).await?;
    match users.log_out(user.id, user.session_epoch).await? {
        LogoutOutcome::LoggedOut => {
            SecurityEvent::LoggedOut.log();
            http::ok(&LogoutResponse {})
        }
        LogoutOutcome::UserGone => Err(ApiError::InvalidToken(TokenFault::UserGone)),
    }
}
