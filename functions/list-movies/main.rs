//! `GET /api/movies?limit=&cursor=`: returns a page of all movies, in the order of their canonical names.
//!
//! 200 with an array and, unless it is the last page, a `Link` (RFC 8288) to the next one; 400 `validation_failed`,
//! `invalid_cursor`. Queries the index `catalog` of `Movies`.

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
    let Query { limit, cursor } = Query::read(&request)?;
    let page = movies.list(limit, cursor.as_ref()).await?;
    let movies: Vec<MovieResponse<'_>> = page.movies.iter().map(MovieResponse::from).collect();
    let mut response = http::ok(&movies)?;
    if let Some(next) = page.next {
        let link = format!("</api/movies?limit={limit}&cursor={}>; rel=\"next\"", next.encode());
        response = http::with_header(response, header::LINK, &link)?;
    }
    http::revalidated(response)
}
