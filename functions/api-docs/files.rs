//! The files. Those of [Swagger UI](https://swagger.io/tools/swagger-ui/) have its version in their names, so that a client
//! never has to ask for one again. `.ci/swagger_ui` writes them, and compares them with its npm package.
//!
//! While a release takes over gradually, the page of one release can ask the other release for a version that it does not
//! have. The other release then sends its own version, which also works, and the client asks again the next time.

use crate::description;

/// The version of Swagger UI.
const VERSION: &str = "5.35.0";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The `cache-control` of a file whose content can change.
const REVALIDATED: &str = "no-cache";
/// The `cache-control` of a file whose content never changes: for a year, no client asks for it again (RFC 8246).
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
        _ => return of_swagger_ui(name),
    })
}

/// Returns the script or the style of Swagger UI, whatever the version in its name.
fn of_swagger_ui(name: &str) -> Option<File> {
    let version = |start: &str, end: &str| {
        let version = name.strip_prefix(start)?.strip_suffix(end)?;
        version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then_some(version)
    };
    let (version, content, content_type): (_, &[u8], _) =
        if let Some(version) = version("swagger-ui-bundle-", ".js") {
            (version, include_bytes!("swagger-ui/swagger-ui-bundle-5.35.0.js.gz"), SCRIPT)
        } else {
            (version("swagger-ui-", ".css")?, include_bytes!("swagger-ui/swagger-ui-5.35.0.css.gz"), STYLE)
        };
    let caching = if version == VERSION { IMMUTABLE } else { REVALIDATED };
    Some(File { content, is_compressed: true, content_type, caching })
}

fn own(content: &'static [u8], content_type: &'static str) -> File {
    File { content, is_compressed: false, content_type, caching: REVALIDATED }
}
