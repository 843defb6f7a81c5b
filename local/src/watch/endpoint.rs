//! The address at which `cargo lambda watch` takes invocations, which is that of Lambda's own `Invoke`.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use uuid::Uuid;

/// How often a function is asked for before `cargo lambda watch` is said not to listen, every tenth of a second.
const TRIES: usize = 300;

/// A running `cargo lambda watch`.
#[derive(Debug, Clone)]
pub struct Endpoint {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl Endpoint {
    /// The one that listens, or will, at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends an empty event with a token of its own, as soon as something listens.
    pub async fn knock(&self, function: &str) -> Result<()> {
        let mut tries = 0;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            tries += 1;
            anyhow::ensure!(tries < TRIES, "cargo lambda watch does not listen on {}", self.address);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        self.invoke(function, &Value::Null, Uuid::new_v4()).await?;
        Ok(())
    }

    /// Hands an event to a function and gives its answer. That the function has failed is an error. The process that
    /// takes the event gets the token as the invocation's client context.
    pub async fn invoke(&self, function: &str, event: &Value, token: Uuid) -> Result<Value> {
        let url = format!("http://{}/2015-03-31/functions/{function}/invocations", self.address);
        let request = Request::post(url).header("content-type", "application/json");
        let request = request.header("lambda-runtime-client-context", token.to_string());
        let answer = self.client.request(request.body(event.to_string().into())?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        if body.is_empty() && status.is_success() {
            return Ok(Value::Null);
        }
        let Ok(answer) = serde_json::from_slice::<Value>(&body) else { bail!("{status}: {text}") };
        match (answer["errorType"].as_str(), answer["errorMessage"].as_str()) {
            (Some(kind), Some(message)) => bail!("{kind}: {message}"),
            _ if !status.is_success() => bail!("{status}: {text}"),
            _ => Ok(answer),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::{
        collections::VecDeque,
        net::Ipv4Addr,
        sync::{Arc, Mutex},
    };

    use axum::{
        Router,
        extract::{Path, State},
        http::StatusCode,
        routing::post,
    };
    use serde_json::json;
    use tokio::{net::TcpListener, task::JoinSet};

    use super::*;
    use crate::watch::wake::Invoke;

    /// What a stand-in for `cargo lambda watch` was asked: the function's name and the event.
    pub type Calls = Arc<Mutex<Vec<(String, Value)>>>;

    type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

    impl Invoke for Endpoint {
        async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
            self.invoke(function, event, Uuid::new_v4()).await
        }
    }

    /// Answers the calls with these answers, and with `null` when they are used up.
    pub async fn stand_in(answers: Vec<(u16, &'static str)>) -> (Arc<Endpoint>, Calls, JoinSet<()>) {
        let calls = Calls::default();
        let state = (Arc::clone(&calls), Arc::new(Mutex::new(VecDeque::from(answers))));
        let answer = |State((calls, answers)): State<(Calls, Answers)>,
                      Path(name): Path<String>,
                      body: String| async move {
            let event = serde_json::from_str(&body).expect("an event");
            calls.lock().expect("the calls").push((name, event));
            let (status, answer) = answers.lock().expect("the answers").pop_front().unwrap_or((200, "null"));
            (StatusCode::from_u16(status).expect("a status"), answer)
        };
        let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(answer));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, router.with_state(state)).await.expect("a server") });
        (Arc::new(Endpoint::new(address)), calls, server)
    }

    #[tokio::test]
    async fn answers_are_told_from_failures() {
        let answers = vec![
            (200, r#"{"batchItemFailures": []}"#),
            (200, ""),
            (500, r#"{"errorType": "Refusal", "errorMessage": "I would rather not"}"#),
            (200, r#"{"errorType": "Refusal", "errorMessage": "at start"}"#),
            (404, r#"{"title": "Missing function"}"#),
            (200, "a text"),
        ];
        let (endpoint, calls, _server) = stand_in(answers).await;
        let event = json!({"Records": []});
        let invoke = || async {
            let answer = endpoint.invoke("purge-account", &event, Uuid::nil()).await;
            answer.map_err(|error| format!("{error:#}"))
        };
        assert_eq!(invoke().await, Ok(json!({"batchItemFailures": []})));
        assert_eq!(invoke().await, Ok(Value::Null));
        assert_eq!(invoke().await, Err("Refusal: I would rather not".to_owned()));
        assert_eq!(invoke().await, Err("Refusal: at start".to_owned()));
        assert_eq!(invoke().await, Err(r#"404 Not Found: {"title": "Missing function"}"#.to_owned()));
        assert_eq!(invoke().await, Err("200 OK: a text".to_owned()));
        assert_eq!(calls.lock().expect("the calls")[0], ("purge-account".to_owned(), event.clone()));
    }
}
