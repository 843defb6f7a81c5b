//! Calls functions through `cargo lambda watch`, which answers at the address that Lambda's own `Invoke` has.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::template::Template;

/// What a call may take beyond the function's own time: its code may have changed, and then it is built first.
const BUILD: Duration = Duration::from_mins(1);

/// The running functions.
pub struct Functions {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    patience: BTreeMap<String, Duration>,
}

impl Functions {
    /// The functions of the template, behind an address such as `http://127.0.0.1:9000`.
    pub fn new(template: &Template, address: &str) -> Self {
        let functions = template.functions().iter();
        let patience = functions.map(|function| (function.operation.clone(), function.timeout + BUILD));
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address: address.to_owned(),
            patience: patience.collect(),
        }
    }

    /// Hands an event to a function and gives its answer. That the function has failed is an error.
    pub async fn invoke(&self, operation: &str, event: &Value) -> Result<Value> {
        let patience = self.patience.get(operation).copied().unwrap_or(BUILD);
        let answer = tokio::time::timeout(patience, self.ask(operation, event)).await;
        answer.with_context(|| format!("no answer in {} seconds", patience.as_secs()))?
    }

    async fn ask(&self, operation: &str, event: &Value) -> Result<Value> {
        let url = format!("{}/2015-03-31/functions/{operation}/invocations", self.address);
        let request = Request::post(url).header("content-type", "application/json");
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

    /// What a stand-in for `cargo lambda watch` was asked: the function's name and the event.
    pub type Calls = Arc<Mutex<Vec<(String, Value)>>>;

    type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

    /// Answers the calls with these answers, and with `null` when they are used up.
    pub async fn stand_in(
        template: &Template,
        answers: Vec<(u16, &'static str)>,
    ) -> (Arc<Functions>, Calls, JoinSet<()>) {
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
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, router.with_state(state)).await.expect("a server") });
        (Arc::new(Functions::new(template, &address)), calls, server)
    }

    #[tokio::test]
    async fn answers_are_told_from_failures() {
        let template = Template::parse("Resources: {}").expect("a valid template");
        let answers = vec![
            (200, r#"{"batchItemFailures": []}"#),
            (200, ""),
            (500, r#"{"errorType": "Refusal", "errorMessage": "I would rather not"}"#),
            (200, r#"{"errorType": "Refusal", "errorMessage": "at start"}"#),
            (404, r#"{"title": "Missing function"}"#),
            (200, "a text"),
        ];
        let (functions, calls, _server) = stand_in(&template, answers).await;
        let event = json!({"Records": []});
        let invoke = || async {
            functions.invoke("purge-account", &event).await.map_err(|error| format!("{error:#}"))
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
