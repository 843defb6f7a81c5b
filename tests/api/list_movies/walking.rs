//! Follows the list from page to page.

use local::gateway::HttpResponse;
use serde_json::{Value, json};

use crate::test_app::{MOVIES, TestApp, get};

/// The result of following a list to its end.
pub struct Walk {
    pub movies: Vec<Value>,
    /// The number of movies on each page.
    pub sizes: Vec<usize>,
    /// The number of requests to DynamoDB.
    pub requests: usize,
}

/// Returns the target of the link to the next page.
pub fn next(page: &HttpResponse) -> Option<String> {
    let link = page.header("link")?.strip_prefix('<')?;
    Some(link.strip_suffix(">; rel=\"next\"")?.to_owned())
}

/// Follows `next` from this page to the end.
pub async fn walk(app: &TestApp, target: &str) -> Walk {
    walk_pages(app, target, usize::MAX).await
}

/// Follows `next` from this page to the end, or over this many pages.
pub async fn walk_pages(app: &TestApp, target: &str, pages: usize) -> Walk {
    let before = app.proxy.calls_of("list-movies").len();
    let (mut movies, mut sizes, mut target) = (Vec::new(), Vec::new(), Some(target.to_owned()));
    while let Some(this) = target
        && sizes.len() < pages
    {
        let page = app.send(get(&this)).await;
        let Value::Array(listed) = page.json() else { panic!("{this}: {}", page.body) };
        assert_eq!(page.status, 200);
        sizes.push(listed.len());
        movies.extend(listed);
        target = next(&page);
    }
    Walk { movies, sizes, requests: app.proxy.calls_of("list-movies").len() - before }
}

/// Copies the only movie with other ids and names, which is much faster than creating them.
pub fn copies(app: &TestApp, count: usize, name: impl Fn(usize) -> String) {
    let original = app.items(MOVIES, "movie#").pop().expect("a movie to copy");
    let owner = original["added_by"]["S"].as_str().expect("an id").to_owned();
    copies_of_users(app, count, |number| (name(number), owner.clone()));
}

/// Copies the only movie with other ids, and with the name and the owner that `movie` returns.
pub fn copies_of_users(app: &TestApp, count: usize, movie: impl Fn(usize) -> (String, String)) {
    let original = app.items(MOVIES, "movie#").pop().expect("a movie to copy");
    let copy = |number: usize| {
        let (id, (name, owner)) = (format!("019a4c5e-0000-7000-8000-{number:012x}"), movie(number));
        let mut item = original.clone();
        item["pk"]["S"] = json!(format!("movie#{id}"));
        item["id"]["S"] = json!(id);
        item["added_by"]["S"] = json!(owner);
        item["name_key"]["S"] = json!(name.to_lowercase());
        item["name"]["S"] = json!(name);
        item
    };
    app.database.put_items(MOVIES, (1..=count).map(copy).collect()).expect("the copies");
}
