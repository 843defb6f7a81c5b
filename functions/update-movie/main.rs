//! `PUT /api/movies/{id}` with at least one of `{name, casts, genres}`: updates a movie of the signed-in user.
//!
//! 200 with the movie and its `etag`; 400, 401, 413, 415; 404 `movie_not_found`; 403 `not_owner`; 412
//! `precondition_failed`; 409 `movie_name_taken`; 429 `too_many_concurrent_writes`. Reads `Users`; writes `Movies`.

use shared::{
    auth::Sessions,
    http::{self, ApiError, Fields, FromBody, HandlerResult, Request},
    model::{Casts, Clock, Genres, IdSource, MovieChanges, MovieName},
    runtime::{App, CLOCK, IDS},
    store::{MovieUpdate, Movies, UpdateOutcome, Users},
};

struct UpdateMovieRequest {
    name: Option<MovieName>,
    casts: Option<Casts>,
    genres: Option<Genres>,
}

impl FromBody for UpdateMovieRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        fields.require_one_of(&["name", "casts", "genres"]);
        let (name, casts, genres) =
            (fields.optional("name"), fields.optional("casts"), fields.optional("genres"));
        Some(Self { name, casts, genres })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users, movies) = (app.sessions()?, app.users()?, app.movies()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &movies, CLOCK, IDS, request))
        .await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    movies: &Movies,
    clock: Clock,
    ids: IdSource,
    request: Request,
) -> HandlerResult {
    http::with_session(sessions, &request, async |session| {
        let UpdateMovieRequest { name, casts, genres } = http::body(&request)?;
        let (id, if_match) = (http::movie_id(&request)?, http::if_match(&request));
        let changes = MovieChanges { name, casts, genres };
        let update = MovieUpdate { id, changes, if_match, now: clock.now(), ids };
        match movies.update(&update, session, users).await? {
            UpdateOutcome::Updated(movie) => http::movie(&movie),
            UpdateOutcome::SessionEnded(fault) => Err(fault.into()),
            UpdateOutcome::NotFound => Err(ApiError::MovieNotFound),
            UpdateOutcome::NotOwner => Err(ApiError::NotOwner),
            UpdateOutcome::VersionMismatch => Err(ApiError::PreconditionFailed),
            UpdateOutcome::NameTaken(movie_id) => Err(ApiError::MovieNameTaken { movie_id }),
        }
    })
    .await
}
