//! `POST /api/movies` `{name, casts, genres}`: a new movie of the user who sends it.
//!
//! 200 with the movie and its `Location`; 400, 401, 413, 415; 403 `movie_limit_reached`; 409 `movie_name_taken`; 429
//! `too_many_concurrent_writes`. Reads and counts in `Users`, writes `Movies`.

use shared::{
    app::{self, App},
    auth::{session::Sessions, token::TokenFault},
    error::ApiError,
    http::{self, Fields, FromBody, HandlerResult, Request},
    model::{Casts, Genres, Movie, MovieName},
    store::{CreateOutcome, Movies, Users},
};

struct CreateMovie {
    name: MovieName,
    casts: Casts,
    genres: Genres,
}

impl FromBody for CreateMovie {
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
    let limit = app::movies_per_user()?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &movies, limit, request)).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    movies: &Movies,
    limit: u32,
    request: Request,
) -> HandlerResult {
    let user = sessions.authenticate(&request).await?;
    let CreateMovie { name, casts, genres } = http::body(&request)?;
    let now = app::now();
    let id = app::new_id();
    let movie = Movie { id, name, casts, genres, added_by: user.user_id, created_at: now, updated_at: now };
    match movies.create(&movie, limit, users).await? {
        CreateOutcome::Created => http::created(&movie),
        CreateOutcome::NameTaken(movie_id) => Err(ApiError::MovieNameTaken { movie_id }),
        CreateOutcome::LimitReached => Err(ApiError::MovieLimitReached),
        CreateOutcome::OwnerGone => Err(ApiError::InvalidToken(TokenFault::UserGone)),
    }
}
