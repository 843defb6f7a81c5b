//! `GET /api/movies?limit=&cursor=`: a page of all movies, in the order of their canonical names.
//!
//! 200 with an array, and a `Link` to the next page while there is more; 400 `validation_failed`, `invalid_cursor`.
//! Queries the index `catalog` of `Movies`.

use shared::{
    app::App,
    http::{self, HandlerResult, Request},
    store::Movies,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let movies = App::from_env().await?.movies()?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&movies, request)).await
}

async fn handle(movies: &Movies, request: Request) -> HandlerResult {
    let query = http::movie_query(&request)?;
    let page = movies.list(query.limit, query.cursor.as_ref()).await?;
    http::revalidated(http::movies(&page, query.limit))
}
