//! A long list, read from the first page to the last.

use std::collections::BTreeSet;

use crate::{
    list_movies::walking::{Walk, copies, walk, walk_pages},
    test_app::TestApp,
};

const MOVIES: usize = 10_000;

fn check(walked: &Walk) {
    assert!(walked.movies.is_sorted_by(|one, other| one["name"].as_str() < other["name"].as_str()));
    let ids: BTreeSet<_> = walked.movies.iter().map(|movie| movie["id"].as_str()).collect();
    assert_eq!(ids.len(), walked.movies.len(), "each movie once");
    assert_eq!(walked.requests, walked.sizes.len(), "one request to DynamoDB per page, at every position");
}

#[expect(clippy::print_stdout, reason = "shows the counts")]
fn report(limit: usize, walked: &Walk) {
    let (movies, pages, requests) = (walked.movies.len(), walked.sizes.len(), walked.requests);
    println!("limit={limit}: {movies} movies on {pages} pages with {requests} requests to DynamoDB");
}

#[tokio::test]
async fn ten_thousand_movies_are_listed_once_and_in_order() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    app.create_movie(&ann, "0").await;
    // The order of the names differs from the order of creation and of the ids.
    copies(&app, MOVIES - 1, |number| format!("{:05}", number * 7919 % 10_007 + 10_000));

    let walked = walk(&app, "/api/movies?limit=500").await;
    check(&walked);
    assert_eq!((walked.movies.len(), walked.sizes.as_slice()), (MOVIES, &[500; 20][..]));
    report(500, &walked);

    let small = walk_pages(&app, "/api/movies?limit=7", 200).await;
    check(&small);
    assert_eq!(small.sizes, [7; 200]);
    assert_eq!(small.movies, walked.movies[..1_400]);
    report(7, &small);
}
