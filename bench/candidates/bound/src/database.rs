//! One connection to DynamoDB, and signed requests over it.

use std::{
    env,
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Uri, body::Bytes, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use lambda_http::Error;
use serde_json::Value;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const TARGET: &str = "x-amz-target";

type Connection = SendRequest<Full<Bytes>>;

/// A client of the database at `AWS_ENDPOINT_URL_DYNAMODB`.
pub struct Database {
    endpoint: Uri,
    tls: TlsConnector,
    credentials: Credentials,
    region: String,
    /// The connection, unless a request is using it.
    idle: Mutex<Option<Connection>>,
}

impl Database {
    /// Reads the settings, and the trusted roots from `SSL_CERT_FILE`, but does not connect.
    pub fn from_env() -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(env::var("SSL_CERT_FILE")?)? {
            roots.add(root?)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (key, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
        let token = env::var("AWS_SESSION_TOKEN").ok();
        Ok(Self {
            endpoint: env::var("AWS_ENDPOINT_URL_DYNAMODB")?.parse()?,
            tls: TlsConnector::from(Arc::new(tls)),
            credentials: Credentials::new(key, secret, token, None, "environment"),
            region: env::var("AWS_REGION")?,
            idle: Mutex::default(),
        })
    }

    /// Opens the connection that the next request uses.
    pub async fn connect(&self) -> Result<(), Error> {
        self.put(self.connected().await?);
        Ok(())
    }

    async fn connected(&self) -> Result<Connection, Error> {
        let host = self.endpoint.host().ok_or("the endpoint has no host")?;
        // Nothing else runs meanwhile, so resolving the name and connecting need no other thread.
        let stream = TcpStream::connect((host, self.endpoint.port_u16().unwrap_or(443)))?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let stream = self.tls.connect(ServerName::try_from(host.to_owned())?, stream).await?;
        let (requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // An error of the connection is also an error of the request that uses it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(requests)
    }

    /// Sends a request for this action, and returns the body of the response if it is a success.
    pub async fn call(&self, action: &str, body: &Value) -> Result<Value, Error> {
        let request = self.signed(action, body.to_string())?;
        let mut connection = match self.take().filter(|idle| !idle.is_closed()) {
            Some(idle) => idle,
            None => self.connected().await?,
        };
        let response = connection.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.put(connection);
        if !status.is_success() {
            return Err(format!("DynamoDB responded {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    fn signed(&self, action: &str, body: String) -> Result<Request<Full<Bytes>>, Error> {
        let target = format!("DynamoDB_20120810.{action}");
        let identity = self.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("dynamodb")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let url = self.endpoint.to_string();
        let headers = [(header::CONTENT_TYPE.as_str(), CONTENT_TYPE), (TARGET, target.as_str())];
        let signable = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", url, headers.into_iter(), signable)?;
        let (signature, _) = sign(signable, &parameters)?.into_parts();
        let host = self.endpoint.authority().ok_or("the endpoint has no host")?.as_str();
        let request = Request::builder().method(Method::POST).uri("/").header(header::HOST, host);
        let request = request.header(header::CONTENT_TYPE, CONTENT_TYPE).header(TARGET, &target);
        let mut request = request.body(Full::from(body))?;
        signature.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, connection: Connection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }
}
