//! `GET /api/auth/account`: what the signed-in user may see of their own account.
//!
//! 200 with id, email, time of signing up and number of movies; 401. Reads `Users`.

use serde::Serialize;
use shared::{
    app::App,
    auth::session::Sessions,
    http::{self, Answer, Request},
    store::Account,
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
    let sessions = app.sessions()?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, request)).await
}

async fn handle(sessions: &Sessions, request: Request) -> Answer {
    let (user, account): (_, Account) = sessions.authenticate_with(&request).await?;
    http::ok(&AccountBody {
        id: user.user_id,
        email: account.email,
        created_at: account.created_at,
        movie_count: account.movie_count,
    })
}
