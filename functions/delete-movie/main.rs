//! `DELETE /api/movies/{id}`: deletes a movie of one's own and frees its name.
//!
//! 200 with the movie's id; 401; 404 `movie_not_found`; 403 `not_owner`. Reads and counts in `Users`, writes `Movies`.

use serde::Serialize;
use shared::{
    app::App,
    auth::{session::Sessions, token::TokenFault},
    error::ApiError,
    http::{self, HandlerResult, Request},
    store::{DeleteOutcome, Movies, Users},
};
use uuid::Uuid;

#[derive(Serialize)]
struct Deleted {
    id: Uuid,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users, movies) = (app.sessions()?, app.users()?, app.movies()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &movies, request)).await
}

async fn handle(sessions: &Sessions, users: &Users, movies: &Movies, request: Request) -> HandlerResult {
    let user = sessions.authenticate(&request).await?;
    let id = http::movie_id(&request)?;
    match movies.delete(id, user.user_id, users).await? {
        DeleteOutcome::Deleted => http::ok(&Deleted { id }),
        DeleteOutcome::NotFound => Err(ApiError::MovieNotFound),
        DeleteOutcome::NotOwner => Err(ApiError::NotOwner),
        DeleteOutcome::OwnerGone => Err(ApiError::InvalidToken(TokenFault::UserGone)),
    }
}
