//! Stands between the processes of functions and the Runtime API of `cargo lambda watch`, so that it is known which
//! process is ready and which request it has in hand. An event that no request of ours waits for reaches no function.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::BodyExt as _;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use uuid::Uuid;

use super::{Functions, Taken};
use crate::{
    clock,
    template::{ACCOUNT, REGION},
};

const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
/// `cargo lambda watch` hands over what an invocation has in this header, in Base64.
const CLIENT_CONTEXT: &str = "lambda-runtime-client-context";

#[derive(Clone)]
struct Relay {
    functions: Arc<Functions>,
    client: Client<HttpConnector, Body>,
}

/// The Runtime API of every process, each under a path that begins with the process's id.
pub fn router(functions: Arc<Functions>) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Router::new()
        .route("/{instance}/2018-06-01/runtime/invocation/next", get(next))
        .route("/{instance}/2018-06-01/runtime/invocation/{id}/{kind}", post(answer))
        .route("/{instance}/2018-06-01/runtime/init/error", post(async || StatusCode::ACCEPTED))
        .layer(DefaultBodyLimit::disable())
        .with_state(Relay { functions, client })
}

async fn next(State(relay): State<Relay>, Path(instance): Path<Uuid>) -> Response {
    let Some(function) = relay.functions.is_ready(instance) else {
        return StatusCode::GONE.into_response();
    };
    relay.event(&function, instance).await.unwrap_or_else(|error| {
        (StatusCode::BAD_GATEWAY, format!("cargo lambda watch does not answer: {error:#}")).into_response()
    })
}

/// Takes the response or error of a process.
async fn answer(
    State(relay): State<Relay>,
    Path((instance, id, kind)): Path<(Uuid, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(function) = relay.functions.has_answered(instance) else {
        return StatusCode::GONE.into_response();
    };
    match relay.ask("POST", &function, &format!("{id}/{kind}"), headers, body).await {
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

impl Relay {
    /// Waits for an event that one of our requests waits for.
    async fn event(&self, function: &str, instance: Uuid) -> anyhow::Result<Response> {
        loop {
            let event = self.ask("GET", function, "next", HeaderMap::new(), Bytes::new()).await?;
            let (mut head, body) = event.into_parts();
            let body = body.collect().await?.to_bytes();
            let id =
                head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            let token = head.headers.remove(CLIENT_CONTEXT).and_then(|context| token(context.as_bytes()));
            if let Some(Taken { timeout }) = token.and_then(|token| self.functions.take(token, instance)) {
                // `cargo lambda watch` gives neither a name nor a time to come.
                let name = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}");
                head.headers.insert("lambda-runtime-invoked-function-arn", name.parse()?);
                let deadline = clock::milliseconds(clock::now() + timeout);
                head.headers.insert("lambda-runtime-deadline-ms", deadline.into());
                return Ok(Response::from_parts(head, body.into()));
            }
            self.ask("POST", function, &format!("{id}/response"), HeaderMap::new(), "null".into()).await?;
        }
    }

    async fn ask(
        &self,
        method: &str,
        function: &str,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<hyper::Response<hyper::body::Incoming>> {
        let address = self.functions.watch_address();
        let url = format!("http://{address}/.rt/{function}/2018-06-01/runtime/invocation/{path}");
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            headers.remove(name);
        }
        let mut request = Request::builder().method(method).uri(url).body(Body::from(body))?;
        *request.headers_mut() = headers;
        Ok(self.client.request(request).await?)
    }
}

fn token(context: &[u8]) -> Option<Uuid> {
    let decoded = BASE64_STANDARD.decode(context).ok()?;
    Uuid::try_parse_ascii(&decoded).ok()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Mutex, PoisonError},
    };

    use tokio::{net::TcpListener, task::JoinSet};

    use super::{
        super::{Instance, Invocation},
        *,
    };
    use crate::template::Template;

    type Watch = Arc<Mutex<(VecDeque<(&'static str, Uuid)>, Vec<String>)>>;

    /// Stands in for the Runtime API of `cargo lambda watch`: hands out events, each an id and a token, and notes which
    /// were answered.
    async fn stand_in(functions: &Functions, watch: Watch, tasks: &mut JoinSet<()>) {
        let next = |State(watch): State<Watch>| async move {
            let event = watch.lock().unwrap_or_else(PoisonError::into_inner).0.pop_front();
            let Some((id, token)) = event else { return std::future::pending().await };
            let token = BASE64_STANDARD.encode(token.to_string());
            ([(REQUEST_ID, id.to_owned()), (CLIENT_CONTEXT, token)], format!("event {id}"))
        };
        let response = |State(watch): State<Watch>, Path(id): Path<String>, body: String| async move {
            watch.lock().unwrap_or_else(PoisonError::into_inner).1.push(format!("{id}: {body}"));
        };
        let router = Router::new()
            .route("/.rt/f/2018-06-01/runtime/invocation/next", get(next))
            .route("/.rt/f/2018-06-01/runtime/invocation/{id}/response", post(response))
            .with_state(watch);
        let listener = TcpListener::bind(functions.watch_address()).await.expect("a free address");
        tasks.spawn(async { axum::serve(listener, router).await.expect("a server") });
    }

    #[tokio::test]
    async fn an_event_that_no_request_waits_for_reaches_no_process() {
        let template = "Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: target/f/}}}";
        let template = Template::parse(template).expect("a template");
        let mut tasks = JoinSet::new();
        let functions = Functions::new(&template, 1, &mut tasks).await.expect("functions");
        let (gone, waiting, instance) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let watch: Watch = Arc::default();
        watch.lock().expect("the events").0.extend([("one", gone), ("two", waiting)]);
        stand_in(&functions, Arc::clone(&watch), &mut tasks).await;
        let function = || "f".to_owned();
        let process = Instance { function: function(), is_ready: false, invocation: None, idle_since: None };
        functions.state.lock().instances.insert(instance, process);
        let invocation = Invocation { function: function(), is_taken: false, lost: None };
        functions.state.lock().invocations.insert(waiting, invocation);

        let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let ask = async |instance: Uuid| {
            let url = format!("{}/{instance}/2018-06-01/runtime/invocation/next", functions.relay);
            client.get(url.parse().expect("a URL")).await.expect("an answer")
        };
        let event = ask(instance).await;
        assert_eq!(event.headers()[REQUEST_ID], "two");
        let deadline = event.headers()["lambda-runtime-deadline-ms"].to_str().expect("a number").to_owned();
        assert!(deadline.parse::<i64>().expect("a number") > clock::milliseconds(clock::now()));
        assert_eq!(event.into_body().collect().await.expect("a body").to_bytes(), "event two");
        assert_eq!(watch.lock().expect("the answers").1, ["one: null"]);
        assert_eq!(ask(Uuid::new_v4()).await.status(), StatusCode::GONE, "a process that is not known");
    }
}
