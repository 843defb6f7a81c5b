//! Addresses of this machine that web pages cannot find.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;

/// Listens on a free port of a random address of the loopback network, 127.0.0.0/8.
///
/// For servers that check no credentials and accept requests from any origin: dynoxide's and the Runtime API's. A
/// web page can try every port of 127.0.0.1, but not of 16 million addresses.
pub(crate) async fn hidden_listener() -> Result<TcpListener> {
    let mut random = [0; 3];
    getrandom::fill(&mut random).context("the system gives no randomness")?;
    // Leaves out the network's own address and its broadcast address, and 127.0.0.1.
    let address = Ipv4Addr::new(127, random[0], random[1], random[2].clamp(2, 254));
    TcpListener::bind((address, 0)).await.with_context(|| format!("cannot listen on {address}"))
}
