//! HTTP connections that a handler can close without a response, which a web framework does not let its handlers do.

use std::future::Future;

use anyhow::Result;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// Serves connections forever. The handler gets each request with the number of its connection; an error of the handler
/// closes the connection without a response.
pub async fn serve<Answer>(
    listener: TcpListener,
    handler: impl Fn(Request<Incoming>, u64) -> Answer + Clone + Send + 'static,
) where
    Answer: Future<Output = Result<Response<Full<Bytes>>>> + Send + 'static,
{
    // Connections end with the set, that is with the server.
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else { continue };
        number += 1;
        let handler = handler.clone();
        let service = service_fn(move |request| handler(request, number));
        connections.spawn(async move {
            // A connection ends with an error when a response is lost on purpose or the client has died.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
