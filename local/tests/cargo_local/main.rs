//! `cargo local` over HTTP, with the routes and functions of this workspace.

mod as_deployed;
mod broken_code;
mod log;
mod sample;
mod site;

use hyper::StatusCode;
use local::template::{Route, Template};
use serde_json::{Value, json};

use site::Site;

#[tokio::test]
async fn every_route_is_served_over_http() {
    let site = Site::start("..".as_ref(), None).await;

    every_route_of_the_template_reaches_its_function(&site).await;
    movies_are_stored(&site).await;
    sessions_end_and_the_account_goes_with_its_movies(&site).await;
    a_lost_password_is_reset_by_mail(&site).await;

    as_deployed::pages_may_do_what_the_template_allows(&site).await;
    as_deployed::requests_without_a_route_reach_no_function(&site).await;
    as_deployed::any_bytes_reach_the_function(&site).await;
    let (account, _) = site.sign_up("cat@example.com").await;
    as_deployed::a_compressed_page_arrives_intact(&site).await;
    as_deployed::repeated_headers_are_joined(&site, &site.log_in(&account).await).await;
    as_deployed::many_requests_at_once_are_all_served(&site, &account).await;
    as_deployed::the_database_serves_no_page(&site).await;
    as_deployed::a_mail_is_shown_and_kept(&site).await;
    as_deployed::the_page_about_the_api_is_announced_and_served(&site).await;

    log::each_request_has_a_line_with_its_result(&site).await;
    log::functions_and_their_units_are_logged_with_their_own_lines(&site).await;
    log::runs_of_triggers_are_logged_if_they_did_something(&site);
    log::every_line_fits_a_terminal_and_has_no_colors(&site);
    log::a_second_instance_lists_everything_that_is_taken(&site).await;

    site.stop().await;
}

/// A route that the gateway does not know has no `code` in its response.
async fn every_route_of_the_template_reaches_its_function(site: &Site) {
    let template = Template::load("../template.yaml").expect("template.yaml is readable");
    let routes = template.functions().iter().flat_map(|function| &function.routes);
    for Route { method, path } in routes {
        let (status, body) = site.send(method, &path.replace("{id}", "none"), None, &Value::Null).await;
        assert!(status.is_success() || body["code"].is_string(), "{method} {path}: {status} {body}");
    }
}

async fn movies_are_stored(site: &Site) {
    let (account, _) = site.sign_up("ann@example.com").await;
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
}

async fn sessions_end_and_the_account_goes_with_its_movies(site: &Site) {
    let (account, signed_up) = site.sign_up("ben@example.com").await;
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
    let (status, body) = site.send("POST", "/api/auth/logout", Some(second), &Value::Null).await;
    assert_eq!((status, body), (StatusCode::OK, json!({})), "logout");
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

async fn a_lost_password_is_reset_by_mail(site: &Site) {
    let (account, _) = site.sign_up("eve@example.com").await;
    let token = site.log_in(&account).await;
    let lost = json!({"email": account["email"]});
    let (status, body) = site.send("POST", "/api/auth/forgot", None, &lost).await;
    assert_eq!((status, body), (StatusCode::ACCEPTED, json!({})), "forgot-password");
    let (shown, file) = site.mail_to("eve@example.com").await;
    let reset_token = shown.last().expect("a token").trim();
    assert!(file.contains(reset_token), "{reset_token} is in {file}");

    let reset = json!({"reset_token": reset_token, "password": "a bag of found movies"});
    let (status, body) = site.send("POST", "/api/auth/reset", None, &reset).await;
    assert_eq!((status, body), (StatusCode::OK, json!({})), "reset-password");
    site.refuses(&token).await;
    let account = json!({"email": account["email"], "password": reset["password"]});
    site.log_in(&account).await;
    site.until_logged("Mail to eve@example.com: The password of your movie bag was changed").await;
}
