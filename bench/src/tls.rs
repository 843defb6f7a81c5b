//! TLS in front of the database as a function on Lambda meets it: a chain of three certificates with RSA-2048 keys, and a
//! distance that is measured in time.

use std::{
    future::ready,
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
};
use rsa::{RsaPrivateKey, pkcs8::EncodePrivateKey as _, rand_core::OsRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_blocking},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
};

/// The size of DynamoDB's keys.
const KEY_BITS: usize = 2048;

/// A root, an intermediate and a leaf for `localhost`, made for one run and never stored.
pub struct Authority {
    /// The certificate that a function has to trust.
    pub root: CertificateDer<'static>,
    server: Arc<ServerConfig>,
}

impl Authority {
    /// Makes three keys and their certificates, which takes about a second.
    pub fn new() -> Result<Self> {
        let root_key = key()?;
        let root_parameters = authority("movie-bag bench root");
        let root = root_parameters.self_signed(&root_key)?.der().clone();
        let root_issuer = Issuer::new(root_parameters, root_key);

        let middle_key = key()?;
        let middle_parameters = authority("movie-bag bench intermediate");
        let middle = middle_parameters.signed_by(&middle_key, &root_issuer)?.der().clone();
        let middle_issuer = Issuer::new(middle_parameters, middle_key);

        let leaf_key = key()?;
        let leaf_parameters = CertificateParams::new(["localhost".to_owned()])?;
        let leaf = leaf_parameters.signed_by(&leaf_key, &middle_issuer)?.der().clone();

        // A server need not send its root, but Amazon's servers send three certificates, of which the last is a root
        // that another root has signed.
        let chain = vec![leaf, middle, root.clone()];
        let leaf_key = PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into();
        let mut server = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, leaf_key)?;
        // DynamoDB does not speak HTTP/2.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { root, server: Arc::new(server) })
    }
}

fn key() -> Result<KeyPair> {
    let key = RsaPrivateKey::new(&mut OsRng, KEY_BITS)?.to_pkcs8_der()?;
    let key = PrivatePkcs8KeyDer::from(key.as_bytes());
    KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).context("an RSA key is not usable")
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

/// A proxy on 127.0.0.1 that terminates TLS and forwards the bytes until it is dropped.
pub struct TlsFront {
    port: u16,
    traffic: Arc<Traffic>,
    _accepting: JoinSet<()>,
}

/// What all connections of a front share.
#[derive(Default)]
struct Traffic {
    /// The number of requests so far.
    requests: AtomicU64,
    /// By how many nanoseconds each request is delayed.
    delay: AtomicU64,
}

impl TlsFront {
    /// Listens on a free port in front of a server on `upstream_port` of this machine.
    pub async fn start(authority: &Authority, upstream_port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let acceptor = TlsAcceptor::from(Arc::clone(&authority.server));
        let traffic = Arc::new(Traffic::default());
        let shared = Arc::clone(&traffic);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, traffic) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    // A function that is killed after its measurement resets its connection, which is expected.
                    let _ = accept(acceptor, client, upstream_port, &traffic).await;
                });
            }
        });
        Ok(Self { port, traffic, _accepting: accepting })
    }

    /// Returns the URL for `AWS_ENDPOINT_URL_DYNAMODB`, with the name that the certificate is for.
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Returns the number of requests so far, over all connections.
    pub fn requests(&self) -> u64 {
        self.traffic.requests.load(Ordering::Relaxed)
    }

    /// Delays every further request by this time. Requests on several connections are delayed at the same time.
    pub fn set_delay(&self, delay: Duration) {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.traffic.delay.store(nanoseconds, Ordering::Relaxed);
    }
}

impl Traffic {
    /// Counts a request and delays it.
    async fn request(&self) -> io::Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        pause(Duration::from_nanos(self.delay.load(Ordering::Relaxed))).await
    }
}

/// Waits for this long in a thread. Tokio's timer counts whole milliseconds, so it would wait for up to two of them where
/// one was asked for.
async fn pause(duration: Duration) -> io::Result<()> {
    if duration.is_zero() {
        return Ok(());
    }
    Ok(spawn_blocking(move || sleep(duration)).await?)
}

async fn accept(
    acceptor: TlsAcceptor,
    client: TcpStream,
    upstream_port: u16,
    traffic: &Traffic,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let client = acceptor.accept(client).await?;
    let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream_port)).await?;
    upstream.set_nodelay(true)?;
    forward(client, upstream, traffic).await
}

/// Forwards requests and responses of HTTP/1.1 without pipelining: the first bytes, and the first bytes after a response,
/// begin a request.
async fn forward(
    client: impl AsyncRead + AsyncWrite,
    upstream: TcpStream,
    traffic: &Traffic,
) -> io::Result<()> {
    let ((from_client, to_client), (from_upstream, to_upstream)) = (split(client), upstream.into_split());
    let responded = &AtomicBool::new(true);
    let inwards = copy(from_client, to_upstream, move || async move {
        if responded.swap(false, Ordering::Relaxed) { traffic.request().await } else { Ok(()) }
    });
    let outwards = copy(from_upstream, to_client, move || {
        responded.store(true, Ordering::Relaxed);
        ready(Ok(()))
    });
    tokio::try_join!(inwards, outwards)?;
    Ok(())
}

/// Copies all bytes, and calls `seen` before it forwards any of them.
async fn copy<Seen: Future<Output = io::Result<()>>>(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    seen: impl Fn() -> Seen,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        seen().await?;
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

#[cfg(test)]
mod tests;
