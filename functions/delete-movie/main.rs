//! `DELETE /api/movies/{id}`: deletes a movie of the signed-in user and frees its name.
//!
//! 200 with the movie's id; 401; 404 `movie_not_found`; 403 `not_owner`; 412 `precondition_failed` if `if-match`
//! does not list the movie's tag; 429 `too_many_concurrent_writes`. Counts in `Users`; writes `Movies`.

use shared::{
    auth::Sessions,
    http::{self, ApiError, HandlerResult, IdResponse, Request},
    runtime::App,
    store::{DeleteOutcome, Movies, Users},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users, movies) = (app.sessions()?, app.users()?, app.movies()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &movies, request)).await
}

async fn handle(sessions: &Sessions, users: &Users, movies: &Movies, request: Request) -> HandlerResult {
    http::with_session(sessions, &request, async |session| {
        let id = http::movie_id(&request)?;
        match movies.delete(id, session, http::if_match(&request).as_ref(), users).await? {
            DeleteOutcome::Deleted => http::ok(&IdResponse { id }),
            DeleteOutcome::NotFound => Err(ApiError::MovieNotFound),
            DeleteOutcome::NotOwner => Err(ApiError::NotOwner),
            DeleteOutcome::VersionMismatch => Err(ApiError::PreconditionFailed),
            DeleteOutcome::SessionEnded(fault) => Err(fault.into()),
        }
    })
    .await
}
