//! `GET /api/movies/{id}`: returns a movie.
//!
//! 200 with the movie and its `etag`; 304 if `if-none-match` lists it; 404 `movie_not_found`. Reads `Movies`.

use shared::{
    http::{self, ApiError, EntityTag, HandlerResult, Request},
    runtime::App,
    store::Movies,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let movies = app.movies()?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&movies, request)).await
}

async fn handle(movies: &Movies, request: Request) -> HandlerResult {
    let movie = movies.find(http::movie_id(&request)?).await?.ok_or(ApiError::MovieNotFound)?;
    let etag = EntityTag::of_version(movie.version);
    let response =
        if http::if_none_match(&request, &etag) { http::not_modified(&etag) } else { http::movie(&movie) };
    http::revalidated(response?)
}
