//! HTTP/1.1 over TLS for the clients of AWS services.
//!
//! The SDK's own connector (`aws-smithy-http-client`) uses the same crates. It also contains HTTP/2, which the services
//! do not need, and proxies, and it takes certificates only as PEM: all that makes each function larger and its start slower.

use std::time::Duration;

use aws_smithy_runtime_api::client::{
    connection::{CaptureSmithyConnection, ConnectionMetadata},
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{self, CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};

/// A connector that keeps its connections open between requests.
#[derive(Debug)]
pub(super) struct Https {
    client: Client<HttpsConnector<connect::HttpConnector>, SdkBody>,
}

impl Https {
    /// Creates a connector that trusts these roots, and waits this long for a TCP connection.
    pub(super) fn new(roots: RootCertStore, connect_timeout: Duration) -> Self {
        // The provider is ring, which starts at once; aws-lc gathers entropy first.
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(HttpsConnector::from((tcp, tls)));
        Self { client }
    }
}

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let used = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || connection(&used));
        }
        let response = self.client.request(request);
        HttpConnectorFuture::new(async move {
            // The request reached no response, so it may be repeated.
            let response = response.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Returns the connection of a request, which the SDK closes after a failure that another server might not have.
fn connection(used: &CaptureConnection) -> Option<ConnectionMetadata> {
    let used = used.clone();
    let is_open = used.connection_metadata().is_some();
    let close = move || {
        if let Some(connection) = used.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    is_open.then(|| ConnectionMetadata::builder().proxied(false).poison_fn(close).build())
}
