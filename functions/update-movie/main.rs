//! `PUT /api/movies/{id}`, any non-empty subset of `{name, casts, genres}`: changes a movie of one's own.
//!
//! 200 with the movie; 400, 401, 413, 415; 404 `movie_not_found`; 403 `not_owner`; 409 `movie_name_taken`; 429
//! `too_many_concurrent_writes`. Reads `Users`, writes `Movies`.

use shared::{
    app::{self, App},
    auth::session::Sessions,
    error::ApiError,
    http::{self, Fields, FromBody, HandlerResult, Request},
    model::MovieChanges,
    store::{Movies, UpdateOutcome},
};

struct UpdateMovie(MovieChanges);

impl FromBody for UpdateMovie {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        fields.require_one_of(&["name", "casts", "genres"]);
        let (name, casts, genres) =
            (fields.optional("name"), fields.optional("casts"), fields.optional("genres"));
        Some(Self(MovieChanges { name, casts, genres }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, movies) = (app.sessions()?, app.movies()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &movies, request)).await
}

async fn handle(sessions: &Sessions, movies: &Movies, request: Request) -> HandlerResult {
    let user = sessions.authenticate(&request).await?;
    let UpdateMovie(changes) = http::body(&request)?;
    let id = http::movie_id(&request)?;
    match movies.update(id, user.user_id, changes, app::now()).await? {
        UpdateOutcome::Updated(movie) => http::movie(&movie),
        UpdateOutcome::NotFound => Err(ApiError::MovieNotFound),
        UpdateOutcome::NotOwner => Err(ApiError::NotOwner),
        UpdateOutcome::NameTaken(movie_id) => Err(ApiError::MovieNameTaken { movie_id }),
    }
}
