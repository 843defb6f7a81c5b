//! `cargo local` as people use it: the gateway with the routes as shipped, the functions behind `cargo lambda watch`, over
//! HTTP.
//!
//! Where `cargo lambda` is neither installed nor to be had, this fails and shows why.

mod as_deployed;
mod broken_code;
mod site;

use hyper::StatusCode;
use serde_json::{Value, json};

use site::Site;

#[tokio::test]
async fn every_route_is_served_over_http() {
    let site = Site::start("..".as_ref(), None).await;

    movies_are_kept(&site).await;
    sessions_end_and_the_account_goes_with_its_movies(&site).await;

    as_deployed::pages_may_do_what_the_template_says(&site).await;
    as_deployed::requests_without_a_route_reach_no_function(&site).await;
    as_deployed::any_bytes_reach_the_function(&site).await;
    let account = json!({"email": "cat@example.com", "password": "a bag full of loud movies"});
    let (status, _) = site.send("POST", "/api/auth/signup", None, &account).await;
    assert_eq!(status, StatusCode::OK, "signup");
    as_deployed::repeated_headers_are_joined(&site, &site.log_in(&account).await).await;
    as_deployed::many_requests_at_once_are_all_answered(&site, &account).await;
    as_deployed::the_log_names_the_route(&site).await;
    as_deployed::the_database_serves_no_page(&site).await;

    site.stop().await;
}

async fn movies_are_kept(site: &Site) {
    let account = json!({"email": "ann@example.com", "password": "a bag full of old movies"});
    let (status, _) = site.send("POST", "/api/auth/signup", None, &account).await;
    assert_eq!(status, StatusCode::OK, "signup");
    let token = site.log_in(&account).await;
    let token = Some(token.as_str());

    let movie = json!({"name": "Alien", "casts": ["Sigourney Weaver"], "genres": ["Horror"]});
    let (status, created) = site.send("POST", "/api/movies", token, &movie).await;
    assert_eq!(status, StatusCode::OK, "create-movie: {created}");
    let path = format!("/api/movies/{}", created["id"].as_str().expect("an id"));
    assert_eq!(
        site.send("GET", &path, None, &Value::Null).await,
        (StatusCode::OK, created.clone()),
        "get-movie"
    );
    let list = site.send("GET", "/api/movies?limit=5", None, &Value::Null).await;
    assert_eq!(list, (StatusCode::OK, json!([created])), "list-movies");
    let (status, changed) = site.send("PUT", &path, token, &json!({"name": "Aliens"})).await;
    assert_eq!((status, &changed["name"]), (StatusCode::OK, &json!("Aliens")), "update-movie");
    let (status, _) = site.send("DELETE", &path, None, &Value::Null).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "delete-movie without a token");
    let (status, _) = site.send("DELETE", &path, token, &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "delete-movie");
    let (status, _) = site.send("GET", "/api/nothing", None, &Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a path without a route");
}

async fn sessions_end_and_the_account_goes_with_its_movies(site: &Site) {
    let account = json!({"email": "ben@example.com", "password": "a bag full of new movies"});
    let (status, signed_up) = site.send("POST", "/api/auth/signup", None, &account).await;
    assert_eq!(status, StatusCode::OK, "signup");
    let first = site.log_in(&account).await;
    let movie = json!({"name": "Heat", "casts": ["Al Pacino"], "genres": ["Crime"]});
    let (status, created) = site.send("POST", "/api/movies", Some(&first), &movie).await;
    assert_eq!(status, StatusCode::OK, "create-movie: {created}");
    let (status, shown) = site.send("GET", "/api/auth/account", Some(&first), &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "get-account: {shown}");
    let expected = (&signed_up["id"], &account["email"], &json!(1));
    assert_eq!((&shown["id"], &shown["email"], &shown["movie_count"]), expected, "get-account");

    let change = json!({"current_password": account["password"], "new_password": "another bag of movies"});
    let (status, session) = site.send("PUT", "/api/auth/password", Some(&first), &change).await;
    assert_eq!(status, StatusCode::OK, "change-password: {session}");
    site.refuses(&first).await;
    let second = session["token"].as_str().expect("a token");
    let (status, answer) = site.send("POST", "/api/auth/logout", Some(second), &Value::Null).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({})), "logout");
    site.refuses(second).await;

    let account = json!({"email": account["email"], "password": change["new_password"]});
    let third = site.log_in(&account).await;
    let (status, left) = site.send("DELETE", "/api/auth/account", Some(&third), &Value::Null).await;
    assert_eq!((status, &left), (StatusCode::ACCEPTED, &signed_up), "delete-account");
    site.refuses(&third).await;
    let path = format!("/api/movies/{}", created["id"].as_str().expect("an id"));
    site.until("GET", &path, &Value::Null, StatusCode::NOT_FOUND).await;
    site.until("POST", "/api/auth/signup", &account, StatusCode::OK).await;
}
