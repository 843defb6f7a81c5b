//! `GET /api/auth/account`: what the signed-in user may see of their own account.
//!
//! 200 with id, email, time of signing up and number of movies; 401. Reads `Users`.

use serde::Serialize;
use shared::{
    app::App,
    auth::{session::Sessions, token::TokenFault},
    error::ApiError,
    http::{self, Answer, Request},
    store::Users,
};
use uuid::Uuid;

#[derive(Serialize)]
struct AccountBody {
    id: Uuid,
    email: String,
    created_at: String,
    movie_count: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await;
    let (sessions, users) = (app.sessions()?, app.users()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, request)).await
}

async fn handle(sessions: &Sessions, users: &Users, request: Request) -> Answer {
    let id = sessions.authenticate(&request).await?.user_id;
    let account = users.account(id).await?.ok_or(ApiError::InvalidToken(TokenFault::UserGone))?;
    http::ok(&AccountBody {
        id,
        email: account.email,
        created_at: account.created_at,
        movie_count: account.movie_count,
    })
}
