//! `GET /api/auth/account`: what the signed-in user may see of their own account.
//!
//! 200 with id, email, time of signing up, number of movies and how many there may be; 401. Reads `Users`.

use serde::Serialize;
use shared::{
    app::{self, App},
    auth::session::Sessions,
    http::{self, HandlerResult, Request},
    store::Account,
};
use uuid::Uuid;

#[derive(Serialize)]
struct AccountBody {
    id: Uuid,
    email: String,
    created_at: String,
    movie_count: u64,
    movie_limit: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, limit) = (app.sessions()?, app::movies_per_user()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, limit, request)).await
}

async fn handle(sessions: &Sessions, limit: u32, request: Request) -> HandlerResult {
    let (user, account): (_, Account) = sessions.authenticate_with(&request).await?;
    http::ok(&AccountBody {
        id: user.user_id,
        email: account.email,
        created_at: account.created_at,
        movie_count: account.movie_count,
        movie_limit: limit,
    })
}
