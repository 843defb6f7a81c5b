//! `cargo local` as people use it: the functions behind `cargo lambda watch`, with the routes as shipped, over HTTP.
//!
//! Where `cargo lambda` is neither installed nor to be had, this fails and shows why.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// How long it may take until everything is built and ready, on a slow machine.
const READY: Duration = Duration::from_mins(30);

/// How long a departure may take to be worked off; its function is started for it.
const GONE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn every_route_is_served_over_http() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let (mut child, mut output) = start(port, &folder.path().join("environment"));
    wait_until_ready(&mut output).await;
    let site = Site {
        address: format!("http://127.0.0.1:{port}"),
        client: Client::builder(TokioExecutor::new()).build_http(),
    };

    movies_are_kept(&site).await;
    sessions_end_and_the_account_goes_with_its_movies(&site).await;

    let pid = rustix::process::Pid::from_raw(child.id().expect("it runs").cast_signed()).expect("an id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    assert!(child.wait().await.expect("an end").success(), "Ctrl-C is not a failure");
    assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "nothing listens any more");
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

struct Site {
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Site {
    async fn log_in(&self, account: &Value) -> String {
        let (status, session) = self.send("POST", "/api/auth/login", None, account).await;
        assert_eq!(status, StatusCode::OK, "login: {session}");
        session["token"].as_str().expect("a token").to_owned()
    }

    async fn refuses(&self, token: &str) {
        let (status, _) = self.send("GET", "/api/auth/account", Some(token), &Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "a token that has ended");
    }

    /// Asks again and again until the answer has this status.
    async fn until(&self, method: &str, path: &str, body: &Value, expected: StatusCode) {
        let asking = async {
            while self.send(method, path, None, body).await.0 != expected {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let answered = tokio::time::timeout(GONE, asking).await;
        answered.unwrap_or_else(|_| panic!("{method} {path} does not become {expected}"));
    }

    async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request =
            request.header("content-type", "application/json").body(body.into()).expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn start(port: u16, env_file: &std::path::Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(["--in-memory", "--database-port", "0", "--port"]).arg(port.to_string());
    command.arg("--env-file").arg(env_file).current_dir("..").stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("cargo local starts");
    let output = child.stdout.take().expect("output");
    (child, BufReader::new(output).lines())
}

async fn wait_until_ready(output: &mut Lines<BufReader<ChildStdout>>) {
    let ready = async {
        let mut said = String::new();
        while let Some(line) = output.next_line().await.expect("output") {
            if line.contains("is ready at") {
                return;
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("cargo local ended before it was ready:\n{said}");
    };
    tokio::time::timeout(READY, ready).await.expect("cargo local is ready in time");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
