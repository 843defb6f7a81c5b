//! The files. Those of [Swagger UI](https://swagger.io/tools/swagger-ui/) have its version in their names, so that a client
//! never has to ask for one again. `.ci/swagger_ui` writes them, and compares them with its npm package.

use crate::description;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The `cache-control` of a file whose content can change.
const REVALIDATED: &str = "no-cache";
/// The `cache-control` of a file whose content never changes: a year, which stands for ever (RFC 9111 section 1.2.2).
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A file, and how to send it.
pub struct File {
    pub content: &'static [u8],
    /// Whether the content is compressed with gzip.
    pub is_compressed: bool,
    pub content_type: &'static str,
    /// The header `cache-control`.
    pub caching: &'static str,
}

/// Returns the page.
pub fn page() -> File {
    own(include_bytes!("page/index.html"), HTML)
}

/// Returns `openapi.yaml` as JSON.
pub fn openapi() -> File {
    own(description::json().as_bytes(), "application/json")
}

/// Returns the file of the page with this name.
pub fn find(name: &str) -> Option<File> {
    Some(match name {
        "init.js" => own(include_bytes!("page/init.js"), SCRIPT),
        "style.css" => own(include_bytes!("page/style.css"), STYLE),
        "swagger-ui-bundle-5.35.0.js" => {
            of_swagger_ui(include_bytes!("swagger-ui/swagger-ui-bundle-5.35.0.js.gz"), SCRIPT)
        }
        "swagger-ui-5.35.0.css" => {
            of_swagger_ui(include_bytes!("swagger-ui/swagger-ui-5.35.0.css.gz"), STYLE)
        }
        _ => return None,
    })
}

fn own(content: &'static [u8], content_type: &'static str) -> File {
    File { content, is_compressed: false, content_type, caching: REVALIDATED }
}

fn of_swagger_ui(content: &'static [u8], content_type: &'static str) -> File {
    File { content, is_compressed: true, content_type, caching: IMMUTABLE }
}
