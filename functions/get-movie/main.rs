//! `GET /api/movies/{id}`: one movie.
//!
//! 200 with the movie; 404 `movie_not_found`. Reads `Movies`.

use shared::{
    app::App,
    error::ApiError,
    http::{self, HandlerResult, Request},
    store::Movies,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let movies = App::from_env().await?.movies()?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&movies, request)).await
}

async fn handle(movies: &Movies, request: Request) -> HandlerResult {
    let movie = movies.find(http::movie_id(&request)?).await?;
    http::revalidated(http::movie(&movie.ok_or(ApiError::MovieNotFound)?))
}
