//! The DynamoDB client, configured for a quick start.
//!
//! It omits what a default client does at its start and a function on Lambda does not need: reading profiles, searching
//! for credentials in a dozen places, and parsing about 150 certificates. An operator can still configure the region, the
//! endpoint and the certificates with the variables that every AWS SDK reads.

use std::{env, path::Path, time::Duration};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_sdk_dynamodb::{
    Client, Config,
    config::{
        BehaviorVersion, Region,
        endpoint::{DefaultResolver, Params, ResolveEndpoint},
        http::HttpRequest,
        retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use http_body_util::BodyExt;
use lambda_runtime::Error;

use super::{
    StartError,
    environment::{optional, text, unusable},
};
use crate::store::{CapacityMeter, TransactionConflicts};

/// The time limits of a request to DynamoDB: for the connection, for one attempt, and for all attempts together. Each is
/// less than the next, and all are less than the function's own limit of 10 seconds in `template.yaml`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);

/// The second attempt waits half of this on average, and each further attempt twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// Enough attempts for fifty concurrent writes that update the same user.
const SDK_MAX_ATTEMPTS: u32 = 8;

/// How long a start waits for a connection. A healthy DynamoDB answers in a few milliseconds; otherwise the first request
/// opens a connection.
const TIME_TO_PREPARE: Duration = Duration::from_millis(300);

/// The root certificates of Amazon Trust Services, from <https://www.amazontrust.com/repository/>. Every certificate of an
/// AWS endpoint descends from one of them. They are valid until 2037 or later.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// Creates the client and, if that is possible without delay, opens its first connection.
pub(super) async fn client() -> Result<Client, StartError> {
    let region = optional("AWS_REGION").or_else(|| optional("AWS_DEFAULT_REGION"));
    let custom_endpoint = custom_endpoint();
    let (fips, dual_stack) = (switch("AWS_USE_FIPS_ENDPOINT"), switch("AWS_USE_DUALSTACK_ENDPOINT"));
    let trust_store = trust_store(region.as_deref(), custom_endpoint.as_deref())?;
    let connector = SharedHttpConnector::new(connector(trust_store));
    let params = Params::builder()
        .set_region(region.clone())
        .set_endpoint(custom_endpoint.clone())
        .use_fips(fips)
        .use_dual_stack(dual_stack);
    let mut configuration = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(region.map(Region::new))
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(SDK_MAX_ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF)
                .with_max_backoff(MAX_BACKOFF),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        )
        .retry_classifier(TransactionConflicts)
        .interceptor(CapacityMeter);
    configuration.set_endpoint_url(custom_endpoint);
    if let Ok(params) = params.build() {
        prepare(&connector, &params).await;
    }
    // Every request uses this connector and the connections that it keeps open.
    Ok(Client::from_conf(configuration.http_client(http_client_fn(move |_, _| connector.clone())).build()))
}

/// Returns the endpoint that is configured instead of the region's, such as a database on the developer's machine.
fn custom_endpoint() -> Option<String> {
    if switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return None;
    }
    optional("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| optional("AWS_ENDPOINT_URL"))
}

fn switch(name: &'static str) -> bool {
    optional(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Returns the root certificates that the client trusts.
///
/// For an AWS endpoint these are Amazon's own, because reading the system's takes longer than the rest of the start. The
/// system's are used for a custom endpoint and for the partitions whose certificates may have other roots: China and the
/// isolated partitions. `SSL_CERT_FILE` and `SSL_CERT_DIR` take precedence.
fn trust_store(region: Option<&str>, custom_endpoint: Option<&str>) -> Result<TrustStore, StartError> {
    let custom_endpoint_has =
        |scheme: &str| custom_endpoint.is_some_and(|endpoint| endpoint.starts_with(scheme));
    let elsewhere = region.is_some_and(|region| region.starts_with("cn-") || region.contains("-iso"));
    // Without TLS no certificate matters, including those that a developer's machine configures.
    if !custom_endpoint_has("http:") && (roots_are_given()? || custom_endpoint_has("https:") || elsewhere) {
        // The system's certificates, or exactly those in the given file and folders.
        Ok(TrustStore::default())
    } else {
        Ok(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
    }
}

/// Returns whether `SSL_CERT_FILE` or `SSL_CERT_DIR` names certificates. A certificate that cannot be read is an error: the
/// client would log a warning, trust fewer roots than intended, and fail at every request.
fn roots_are_given() -> Result<bool, StartError> {
    let (file, folders) = (text("SSL_CERT_FILE")?, text("SSL_CERT_DIR")?);
    if let Some(file) = &file {
        check_roots("SSL_CERT_FILE", Some(Path::new(file)), None)?;
    }
    for folder in folders.iter().flat_map(env::split_paths) {
        check_roots("SSL_CERT_DIR", None, Some(&folder))?;
    }
    Ok(file.is_some() || folders.is_some())
}

fn check_roots(name: &'static str, file: Option<&Path>, folder: Option<&Path>) -> Result<(), StartError> {
    let found = rustls_native_certs::load_certs_from_paths(file, folder);
    match found.errors.first() {
        Some(error) => Err(unusable(name, format!("names certificates that cannot be read: {error}"))),
        None if found.certs.is_empty() => Err(unusable(name, "names no PEM certificates".to_owned())),
        None => Ok(()),
    }
}

/// Returns a connector for HTTP over TLS with ring, which starts at once; aws-lc gathers entropy first.
fn connector(trust_store: TrustStore) -> Connector {
    let tls = TlsContext::builder().with_trust_store(trust_store).build();
    let connector = Connector::builder()
        .connector_settings(HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .tls_provider(Provider::Rustls(CryptoMode::Ring));
    match tls {
        Ok(tls) => connector.tls_context(tls).build(),
        Err(_) => connector.build(),
    }
}

/// Opens the connection that the first request then uses, with the health check that load balancers send: it needs no
/// permission and costs nothing. The function starts whatever the result.
async fn prepare(connector: &SharedHttpConnector, params: &Params) {
    let asking = async {
        let endpoint = DefaultResolver::new().resolve_endpoint(params).await?;
        let mut request = HttpRequest::empty();
        request.set_uri(endpoint.url())?;
        let response = connector.call(request).await?;
        // A connection can be used again when the response has been read.
        response.into_body().collect().await?;
        Ok::<_, Error>(())
    };
    match tokio::time::timeout(TIME_TO_PREPARE, asking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no connection could be prepared"),
        Err(_) => tracing::debug!("there was no time to prepare a connection"),
    }
}
