//! `GET /api/movies?name_prefix=&added_by=&limit=&cursor=`: returns a page of all movies, or of those whose name starts with
//! a prefix, a user added, or both, in the order of their canonical names.
//!
//! 200 with an array, compressed if the client accepts it, and, unless it is the last page, a `Link` (RFC 8288) to the
//! next one; 400 `validation_failed`, `invalid_cursor`. Queries the index `catalog` of `Movies`, or `owner` for the movies
//! of a user.

mod query;

use query::Query;
use shared::{
    http::{self, HandlerResult, MovieResponse, Request, header},
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
    let query = Query::read(&request)?;
    let page = movies.list(&query.filter, query.limit, query.cursor.as_ref()).await?;
    let movies: Vec<MovieResponse<'_>> = page.movies.iter().map(MovieResponse::from).collect();
    let mut response = http::ok(&movies)?;
    if let Some(next) = page.next {
        response = http::with_header(response, header::LINK, &query.link_to(&next))?;
    }
    http::revalidated(http::compressed(&request, response)?)
}
