//! `GET /api/docs`, `GET /api/docs/{file}`, `GET /api/openapi.json`: the page where people read about the API and try it,
//! the files of the page, and `openapi.yaml` as JSON.
//!
//! 200 with the file and its `etag`, compressed if the client accepts it; 304 if `if-none-match` lists it; 404
//! `file_not_found`. Uses no table.

mod description;
mod files;

use files::File;
use shared::{
    http::{self, ApiError, EntityTag, HandlerResult, Request, RequestExt as _, Response, header},
    runtime,
};

/// The page runs only its own scripts, contacts only its own origin, and cannot be framed. It contains no inline script and
/// no inline style.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    runtime::start_logging();
    http::serve(env!("CARGO_BIN_NAME"), handle).await
}

async fn handle(request: Request) -> HandlerResult {
    let parameters = request.path_parameters_ref();
    let file = match parameters.and_then(|parameters| parameters.first("file")) {
        Some(name) => files::find(name).ok_or(ApiError::FileNotFound)?,
        None if request.uri().path().ends_with("/openapi.json") => files::openapi(),
        None => files::page(),
    };
    let etag = EntityTag::of_content(file.content);
    let response = if http::if_none_match(&request, &etag) {
        http::with_header(http::not_modified(&etag)?, header::VARY, header::ACCEPT_ENCODING.as_str())?
    } else {
        content(&request, &file, &etag)?
    };
    let response = http::with_header(response, header::CACHE_CONTROL, file.caching)?;
    let response = http::with_header(response, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)?;
    http::with_header(response, header::REFERRER_POLICY, "no-referrer")
}

fn content(request: &Request, file: &File, etag: &EntityTag) -> HandlerResult {
    let response = Response::new(file.content.into());
    let response = http::with_header(response, header::CONTENT_TYPE, file.content_type)?;
    let response = http::with_header(response, header::ETAG, &etag.to_string())?;
    if file.is_compressed {
        http::decompressed(request, response)
    } else {
        http::compressed(request, response)
    }
}
