//! `GET /api/auth/account`: returns the account of the signed-in user.
//!
//! 200 with the id, the email, the time of the signup, the number of movies and its limit; 401. Reads `Users`.

use serde::Serialize;
use shared::{
    auth::Sessions,
    http::{self, HandlerResult, Request},
    runtime::{self, App},
    store::Account,
};
use uuid::Uuid;

#[derive(Serialize)]
struct AccountResponse {
    id: Uuid,
    email: String,
    created_at: String,
    movie_count: u64,
    movie_limit: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, movie_limit) = (app.sessions()?, runtime::movies_per_user()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, movie_limit, request)).await
}

async fn handle(sessions: &Sessions, movie_limit: u32, request: Request) -> HandlerResult {
    let session = sessions.verify(http::bearer_token(&request)?)?;
    let Account { email, created_at, movie_count } = sessions.confirm(session).await?;
    http::ok(&AccountResponse { id: session.user_id, email, created_at, movie_count, movie_limit })
}
