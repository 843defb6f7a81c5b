//! The proxy's HTTP side.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    call::{HEALTH_CHECK, RecordedCall},
    response,
    rule::{Fault, Rule},
    weather::{CurrentWeather, Passage},
};
use crate::{connections, observed::lock};

type Database = Client<HttpConnector, Full<Bytes>>;

/// The rules, the weather, and the calls so far.
#[derive(Default)]
pub struct State {
    pub calls: Vec<Arc<Mutex<RecordedCall>>>,
    pub health_checks: Vec<Arc<Mutex<RecordedCall>>>,
    pub rules: Vec<Rule>,
    pub weather: Option<Arc<CurrentWeather>>,
}

impl State {
    /// Records a call, and returns the fault that it meets, if any.
    fn record(&mut self, call: &Arc<Mutex<RecordedCall>>) -> Option<Fault> {
        let is_check = lock(call).operation == HEALTH_CHECK;
        let list = if is_check { &mut self.health_checks } else { &mut self.calls };
        list.push(Arc::clone(call));
        let call = lock(call);
        for rule in self.rules.iter_mut().filter(|rule| rule.matches(&call)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                if let Fault::Hold(gate) = &rule.fault {
                    gate.let_by();
                }
            } else if rule.times > 0 {
                rule.times = if rule.times == usize::MAX { usize::MAX } else { rule.times - 1 };
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

/// Serves the functions forever.
pub async fn serve(listener: TcpListener, endpoint: String, state: Arc<Mutex<State>>) {
    let database: Database = Client::builder(TokioExecutor::new()).build_http();
    connections::serve(listener, move |request, connection| {
        handle(request, connection, database.clone(), endpoint.clone(), Arc::clone(&state))
    })
    .await;
}

/// Sends a request to the database, which checks no signature.
pub async fn request(endpoint: &str, operation: &str, body: &Value) -> Result<Value> {
    let database: Database = Client::builder(TokioExecutor::new()).build_http();
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260701/eu-west-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let request = Request::post(format!("{endpoint}/"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("x-amz-date", "20260701T000000Z")
        .header("authorization", signature)
        .body(Full::from(body.to_string()))?;
    let (head, body) = database.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    ensure!(head.status == StatusCode::OK, "{operation}: {} {}", head.status, String::from_utf8_lossy(&body));
    Ok(serde_json::from_slice(&body)?)
}

async fn handle(
    request: Request<Incoming>,
    connection: u64,
    database: Database,
    endpoint: String,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let caller = head.uri.path().trim_matches('/').to_owned();
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let is_check = head.method == Method::GET;
    let operation = if is_check { HEALTH_CHECK } else { target.rsplit('.').next().unwrap_or_default() };
    let content = serde_json::from_slice(&body).unwrap_or_default();
    let call = RecordedCall::new(caller, operation.to_owned(), connection, content);
    let call = Arc::new(Mutex::new(call));
    let fault = lock(&state).record(&call);

    let instead = fault.as_ref().and_then(|fault| response::to(fault, &lock(&call)));
    if let Some(instead) = instead {
        lock(&call).status = instead.status().as_u16();
        return Ok(instead);
    }
    match &fault {
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Hold(gate)) => gate.pass().await,
        _ => {}
    }
    if is_check {
        lock(&call).status = 200;
        return Ok(Response::new(Full::from("healthy: dynamodb.eu-west-1.amazonaws.com")));
    }

    let weather = lock(&state).weather.clone();
    let forwarding = forward(Request::from_parts(head, body), Arc::clone(&call), database, endpoint, weather);
    // In its own task, because DynamoDB carries out a request even if the caller dies before the response.
    let response = tokio::spawn(forwarding).await??;
    if matches!(fault, Some(Fault::LoseResponse)) {
        bail!("the response is lost");
    }
    Ok(response)
}

/// Forwards a request to the database if the weather permits, completes its record and returns the response.
async fn forward(
    request: Request<Bytes>,
    call: Arc<Mutex<RecordedCall>>,
    database: Database,
    endpoint: String,
    weather: Option<Arc<CurrentWeather>>,
) -> Result<Response<Full<Bytes>>> {
    let recorded = lock(&call).clone();
    let mut passage = Passage::default();
    if let Some(weather) = &weather {
        passage = match weather.let_through(&recorded).await? {
            Ok(passage) => passage,
            Err(fault) => {
                let response = response::to(&fault, &recorded).context("the fault has no response")?;
                lock(&call).status = response.status().as_u16();
                return Ok(response);
            }
        };
    }
    let (mut head, mut body) = request.into_parts();
    if let Some(split) = &passage.split {
        body = split.request.clone();
        head.headers.remove(CONTENT_LENGTH);
    }
    let endpoint = passage.endpoint.take().unwrap_or(endpoint);
    head.uri = format!("{endpoint}/").parse().context("the database's address is not a URL")?;
    for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    let (head, body) = database.request(Request::from_parts(head, Full::new(body))).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    {
        let mut call = lock(&call);
        call.status = head.status.as_u16();
        let response: Value = serde_json::from_slice(&body).unwrap_or_default();
        call.consumed_capacity = response.get("ConsumedCapacity").cloned();
    }
    if head.status != StatusCode::OK {
        return Ok(Response::from_parts(head, Full::new(body)));
    }
    if let Some(weather) = &weather {
        weather.carried_out(&recorded)?;
    }
    match passage.split {
        Some(split) => split.complete(&body),
        None => Ok(Response::from_parts(head, Full::new(body))),
    }
}
