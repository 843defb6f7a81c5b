//! Servers on this machine that web pages and other users' programs cannot use.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Listens on a free port of 127.0.0.1. Returns the listener, and the path below which the server serves its requests.
///
/// For servers that check no credentials: the Runtime API and the mail service. A web page can try every port, but
/// cannot guess a path with 122 random bits. Only the processes that are given the path can use the server.
pub(crate) async fn listen_with_secret_path() -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen on 127.0.0.1")?;
    Ok((listener, format!("/{}", Uuid::new_v4().simple())))
}
