//! `POST /api/movies` with `{name, casts, genres}`: creates a movie of the signed-in user.
//!
//! 200 with the movie, its `location` and its `etag`; 400, 401, 413, 415; 403 `movie_limit_reached`; 409
//! `movie_name_taken`; 429 `too_many_concurrent_writes`. Counts in `Users`; writes `Movies`.

use shared::{
    auth::Sessions,
    http::{self, ApiError, Fields, FromBody, HandlerResult, Request, header},
    model::{Casts, Clock, Genres, IdSource, Movie, MovieName},
    runtime::{self, App, CLOCK, IDS},
    store::{CreateOutcome, Movies, Users},
};

struct CreateMovieRequest {
    name: MovieName,
    casts: Casts,
    genres: Genres,
}

impl FromBody for CreateMovieRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (name, casts, genres) =
            (fields.required("name"), fields.required("casts"), fields.required("genres"));
        Some(Self { name: name?, casts: casts?, genres: genres? })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users, movies) = (app.sessions()?, app.users()?, app.movies()?);
    let movie_limit = runtime::movies_per_user()?;
    let handle = |request| handle(&sessions, &users, &movies, movie_limit, CLOCK, IDS, request);
    http::serve(env!("CARGO_BIN_NAME"), handle).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    movies: &Movies,
    movie_limit: u32,
    clock: Clock,
    ids: IdSource,
    request: Request,
) -> HandlerResult {
    http::with_session(sessions, &request, async |session| {
        let CreateMovieRequest { name, casts, genres } = http::body(&request)?;
        let (id, version) = (ids.next_id(), ids.next_id());
        let (added_by, now) = (session.user_id, clock.now());
        let movie = Movie { id, name, casts, genres, added_by, created_at: now, updated_at: now, version };
        match movies.create(&movie, session, movie_limit, users).await? {
            CreateOutcome::Created => {
                http::with_header(http::movie(&movie)?, header::LOCATION, &format!("/api/movies/{id}"))
            }
            CreateOutcome::NameTaken(movie_id) => Err(ApiError::MovieNameTaken { movie_id }),
            CreateOutcome::LimitReached => Err(ApiError::MovieLimitReached),
        }
    })
    .await
}
