//! `POST /api/auth/logout`: ends every session of the signed-in user.
//!
//! 200 with `{}`; 401; 429 `too_many_concurrent_writes`. Every token issued so far is revoked. Writes `Users`.

use serde::Serialize;
use shared::{
    auth::Sessions,
    http::{self, HandlerResult, Request},
    model::IdSource,
    runtime::{App, IDS},
    store::{LogoutOutcome, Users},
    telemetry::SecurityEvent,
};

#[derive(Serialize)]
struct LogoutResponse {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users) = (app.sessions()?, app.users()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, IDS, request)).await
}

async fn handle(sessions: &Sessions, users: &Users, ids: IdSource, request: Request) -> HandlerResult {
    http::with_session(sessions, &request, async |session| {
        match users.log_out(session, ids.next_id()).await? {
            LogoutOutcome::LoggedOut => {
                SecurityEvent::LoggedOut.log();
                http::ok(&LogoutResponse {})
            }
            LogoutOutcome::SessionEnded(fault) => Err(fault.into()),
        }
    })
    .await
}
