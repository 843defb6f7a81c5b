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
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector, http_client_fn};
use http_body_util::BodyExt;
use lambda_runtime::Error;
use rustls::{RootCertStore, pki_types::CertificateDer};

use super::{
    StartError,
    environment::{optional, text, unusable},
    https::Https,
};
use crate::store::{CapacityMeter, TransactionConflicts};

/// The time limits of a request to DynamoDB: for the TCP connection, for one attempt, and for all attempts together. Each is
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
const AMAZON_ROOTS: [&[u8]; 5] = [
    include_bytes!("amazon_roots/AmazonRootCA1.cer"),
    include_bytes!("amazon_roots/AmazonRootCA2.cer"),
    include_bytes!("amazon_roots/AmazonRootCA3.cer"),
    include_bytes!("amazon_roots/AmazonRootCA4.cer"),
    include_bytes!("amazon_roots/SFSRootCAG2.cer"),
];

/// Creates the client and, if that is possible without delay, opens its first connection.
pub(super) async fn client() -> Result<Client, StartError> {
    let region = optional("AWS_REGION").or_else(|| optional("AWS_DEFAULT_REGION"));
    let custom_endpoint = custom_endpoint();
    let (fips, dual_stack) = (switch("AWS_USE_FIPS_ENDPOINT"), switch("AWS_USE_DUALSTACK_ENDPOINT"));
    let roots = trusted_roots(region.as_deref(), custom_endpoint.as_deref())?;
    let connector = SharedHttpConnector::new(Https::new(roots, CONNECT_TIMEOUT));
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
fn trusted_roots(region: Option<&str>, custom_endpoint: Option<&str>) -> Result<RootCertStore, StartError> {
    let custom_endpoint_has =
        |scheme: &str| custom_endpoint.is_some_and(|endpoint| endpoint.starts_with(scheme));
    let elsewhere = region.is_some_and(|region| region.starts_with("cn-") || region.contains("-iso"));
    // Without TLS no certificate matters, including those that a developer's machine configures.
    let given = if custom_endpoint_has("http:") { Vec::new() } else { given_roots()? };
    let certificates = if !given.is_empty() {
        given
    } else if custom_endpoint_has("https:") || elsewhere {
        rustls_native_certs::load_native_certs().certs
    } else {
        AMAZON_ROOTS.map(CertificateDer::from).to_vec()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}

/// Returns the certificates that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. A certificate that cannot be read is an error:
/// the client would trust fewer roots than intended, and fail at every request.
fn given_roots() -> Result<Vec<CertificateDer<'static>>, StartError> {
    let (file, folders) = (text("SSL_CERT_FILE")?, text("SSL_CERT_DIR")?);
    let mut roots = Vec::new();
    if let Some(file) = &file {
        roots.extend(read_roots("SSL_CERT_FILE", Some(Path::new(file)), None)?);
    }
    for folder in folders.iter().flat_map(env::split_paths) {
        roots.extend(read_roots("SSL_CERT_DIR", None, Some(&folder))?);
    }
    Ok(roots)
}

fn read_roots(
    name: &'static str,
    file: Option<&Path>,
    folder: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let found = rustls_native_certs::load_certs_from_paths(file, folder);
    match found.errors.first() {
        Some(error) => Err(unusable(name, format!("names certificates that cannot be read: {error}"))),
        None if found.certs.is_empty() => Err(unusable(name, "names no PEM certificates".to_owned())),
        None => Ok(found.certs),
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
