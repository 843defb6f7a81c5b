//! `POST /api/auth/logout`: ends every session of the signed-in user.
//!
//! 200 with `{}`; 401. From then on every token issued so far is refused everywhere. Writes `Users`.

use serde::Serialize;
use shared::{
    app::App,
    audit,
    auth::{session::Sessions, token::TokenFault},
    error::ApiError,
    http::{self, HandlerResult, Request},
    store::{LogoutOutcome, Users},
};

#[derive(Serialize)]
struct LoggedOut {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users) = (app.sessions()?, app.users()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, request)).await
}

async fn handle(sessions: &Sessions, users: &Users, request: Request) -> HandlerResult {
    let user = sessions.authenticate(&request).await?;
    match users.log_out(user.user_id, user.epoch).await? {
        LogoutOutcome::LoggedOut => {
            audit::logged_out();
            http::ok(&LoggedOut {})
        }
        LogoutOutcome::UserGone => Err(ApiError::InvalidToken(TokenFault::UserGone)),
    }
}
