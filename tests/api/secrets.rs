//! Secrets never leave the system: passwords, hashes, tokens and emails.

use std::collections::BTreeSet;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::test_app::{PASSWORD, TOKEN_KEY, TestApp, USERS, movie, post};

/// Returns the response without the token. Only a login shows a token.
fn without_token(response: &HttpResponse, token: &str) -> String {
    response.body.replace(token, "")
}

#[tokio::test]
async fn no_response_and_no_log_line_holds_a_secret() {
    let app = TestApp::start().await;
    let (email, wrong, weak) = ("ann.of.the.movies@example.com", "a wrong secret phrase", "Password1");
    let mut responses = vec![
        app.sign_up(email).await,
        app.sign_up(&email.to_uppercase()).await,
        app.send(post("/api/auth/signup", &json!({"email": "not@an@email", "password": weak}))).await,
        app.send(post("/api/auth/signup", &json!({"email": email, "password": 7, "more": wrong}))).await,
        app.log_in(email, wrong).await,
        app.log_in("stranger@example.com", wrong).await,
        app.log_in(email, &wrong.repeat(60)).await,
    ];
    for path in ["/api/auth/signup", "/api/auth/login"] {
        let broken = format!("{{\"email\": \"{email}\", \"password\": \"{wrong}\" oops}}");
        let request = HttpRequest::new("POST", path).header("content-type", "application/json").body(broken);
        responses.push(app.send(request).await);
    }
    let login = app.log_in(email, PASSWORD).await;
    let token = login.json()["token"].as_str().expect("a token").to_owned();
    let id = responses[0].json()["id"].as_str().expect("an id").to_owned();
    let create = || post("/api/movies", &movie("Heat"));
    responses.push(app.send(create().bearer(&format!("{token}x"))).await);
    responses.push(app.send(create().header("authorization", format!("Basic {token}"))).await);
    responses.push(app.send(create().header("cookie", format!("token={token}"))).await);
    responses.push(app.send(create().query(format!("access_token={token}"))).await);
    responses.push(app.send(create().bearer(&token)).await);
    app.edit_user(&id, |user| user["session_epoch"] = json!({"N": "1"}));
    responses.push(app.send(create().bearer(&token)).await);
    let hash = app.items(USERS, "user#")[0]["password_hash"]["S"].as_str().expect("a hash").to_owned();
    app.edit_user(&id, |user| user["password_hash"] = json!({"S": hash.replace("$2b$04$", "$2b$77$")}));
    responses.push(app.log_in(email, PASSWORD).await);
    let statuses: BTreeSet<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, BTreeSet::from([200, 400, 401, 409, 500]));

    // Each request has one completion line, which is the last line of the request.
    let problems: Vec<String> = responses
        .iter()
        .filter_map(|response| Some(response.json()["request_id"].as_str()?.to_owned()))
        .collect();
    for request_id in &problems {
        app.wait_for_log(request_id).await;
    }
    app.wait_for_log(&format!("user_id={id}")).await;
    let upper = email.to_uppercase();
    let payload = token.split('.').nth(1).expect("a payload");
    let secrets = [
        PASSWORD,
        wrong,
        weak,
        &hash,
        &hash[7..29],
        "$2b$",
        &token,
        payload,
        email,
        &upper,
        "stranger@",
        TOKEN_KEY,
    ];
    let shown = responses.iter().map(|response| response.body.clone()).chain([without_token(&login, &token)]);
    for text in shown.chain(app.logs()) {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}
