//! Long lists, read from the first page to the last.

use std::collections::BTreeSet;

use local::fault_proxy::RecordedCall;
use serde_json::Value;

use crate::{
    list_movies::walking::{Walk, copies, copies_of_users, walk, walk_pages},
    test_app::TestApp,
};

const MOVIES: usize = 10_000;
const UNKNOWN_USER: &str = "019a4c5d-1f20-7e4b-8a96-3c7d52e0b18f";

fn check(walked: &Walk) {
    assert!(walked.movies.is_sorted_by(|one, other| one["name"].as_str() < other["name"].as_str()));
    let ids: BTreeSet<_> = walked.movies.iter().map(|movie| movie["id"].as_str()).collect();
    assert_eq!(ids.len(), walked.movies.len(), "each movie once");
    assert_eq!(walked.requests, walked.sizes.len(), "one request to DynamoDB per page, at every position");
}

#[expect(clippy::print_stdout, reason = "shows the counts")]
fn report(what: &str, walked: &Walk) {
    let (movies, pages, requests) = (walked.movies.len(), walked.sizes.len(), walked.requests);
    println!("{what}: {movies} movies on {pages} pages with {requests} requests to DynamoDB");
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
    report("limit=500", &walked);

    let small = walk_pages(&app, "/api/movies?limit=7", 200).await;
    check(&small);
    assert_eq!(small.sizes, [7; 200]);
    assert_eq!(small.movies, walked.movies[..1_400]);
    report("limit=7", &small);
}

/// Each filter fits 1,000 of the movies, which are scattered among the others in the table and in the order of ids.
#[tokio::test]
async fn a_thousand_of_ten_thousand_movies_are_found() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    app.create_movie(&ann, "0").await;
    let movie = |number: usize| {
        let position = number * 7919 % 10_007;
        let (name, user) = match number % 10 {
            0 => (format!("Alien X{position:05}"), UNKNOWN_USER),
            1 => (format!("{position:05}"), &*bob.id),
            2 => (format!("Heat {position:05}"), &*ann.id),
            // Movies that fit only one of two filters, and names that are just outside of a prefix.
            3 => (format!("Heat {position:05}"), UNKNOWN_USER),
            4 => (format!("Ronin {position:05}"), &*ann.id),
            5 => (format!("Alien W{position:05}"), UNKNOWN_USER),
            6 => (format!("Alien Y{position:05}"), UNKNOWN_USER),
            _ => (format!("{position:05}"), UNKNOWN_USER),
        };
        (name, user.to_owned())
    };
    copies_of_users(&app, MOVIES, movie);
    let all = walk(&app, "/api/movies?limit=500").await;
    assert_eq!(all.movies.len(), MOVIES + 1);
    for (query, begin, user) in [
        ("name_prefix=ALIEN++x".to_owned(), "Alien X", None),
        (format!("added_by={}", bob.id), "", Some(&bob.id)),
        (format!("name_prefix=heat&added_by={}", ann.id), "Heat", Some(&ann.id)),
    ] {
        let fits = |movie: &&Value| {
            let name = movie["name"].as_str().expect("a name");
            name.starts_with(begin) && user.is_none_or(|user| movie["added_by"] == **user)
        };
        let expected: Vec<&Value> = all.movies.iter().filter(fits).collect();
        assert_eq!(expected.len(), 1_000, "{query}");
        for limit in [500, 100, 7] {
            app.proxy.clear_calls();
            let walked = walk(&app, &format!("/api/movies?{query}&limit={limit}")).await;
            check(&walked);
            assert_eq!(walked.movies.iter().collect::<Vec<_>>(), expected, "{query}");
            assert_eq!(walked.sizes.len(), 1_000_usize.div_ceil(limit), "only the last page is not full");
            assert_constant_cost(&app, walked.sizes.len());
            report(&format!("{query}&limit={limit}"), &walked);
        }
    }
}

/// Panics if one of the full pages costs more than another. They have movies of almost the same size.
fn assert_constant_cost(app: &TestApp, pages: usize) {
    let calls = app.proxy.calls_of("list-movies");
    let units = |call: &RecordedCall| call.consumed_capacity.as_ref()?["CapacityUnits"].as_f64();
    let units: Vec<f64> = calls[..pages - 1].iter().filter_map(units).collect();
    let (least, most) =
        units.iter().fold((f64::MAX, 0.0_f64), |(least, most), &units| (least.min(units), most.max(units)));
    assert!(units.len() == pages - 1 && most - least <= 0.5, "pages cost {units:?}");
}
