//! The DynamoDB client, made for a quick start.
//!
//! What a stock client does at its start and a function on Lambda has no use for is left out: reading profiles, looking
//! for credentials in a dozen places, parsing some 150 certificates. What an operator can set and would miss is kept, by
//! the variables that every AWS SDK knows.

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
use lambda_http::tracing;

use super::{StartError, optional, setting, unusable};
use crate::store::{CapacityMeter, TransactionConflicts};

/// The time that one request to DynamoDB may take: to connect, for one attempt, with all its attempts. Each is less
/// than the next, and all are less than the function's own 10 seconds in `template.yaml`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);

/// Retries wait half of this on average before the second attempt, and twice as long each time after.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// Enough for fifty writers who all count at one user.
const ATTEMPTS: u32 = 8;

/// How long a start waits for a connection. It takes a few milliseconds, or DynamoDB is not well; then the first request
/// finds out for itself.
const TIME_TO_PREPARE: Duration = Duration::from_millis(300);

/// The roots of Amazon Trust Services, from one of which every certificate of an AWS endpoint descends, as
/// <https://www.amazontrust.com/repository/> lists them. They are valid until 2037 and later.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// Makes the client and, as far as that is possible in no time, its first connection.
pub(super) async fn client() -> Result<Client, StartError> {
    let region = setting("AWS_REGION").or_else(|| setting("AWS_DEFAULT_REGION"));
    let own_endpoint = own_endpoint();
    let (fips, dual_stack) = (switch("AWS_USE_FIPS_ENDPOINT"), switch("AWS_USE_DUALSTACK_ENDPOINT"));
    let trust_store = trust_store(region.as_deref(), own_endpoint.as_deref())?;
    let connector = SharedHttpConnector::new(connector(trust_store));
    let params = Params::builder()
        .set_region(region.clone())
        .set_endpoint(own_endpoint.clone())
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
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF)
                .with_max_backoff(LONGEST_BACKOFF),
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
    configuration.set_endpoint_url(own_endpoint);
    if let Ok(params) = params.build() {
        prepare(&connector, &params).await;
    }
    // Every request uses the one connector, and with it the connections that it keeps.
    Ok(Client::from_conf(configuration.http_client(http_client_fn(move |_, _| connector.clone())).build()))
}

/// The endpoint that somebody has set instead of the region's, such as the database on one's own machine.
fn own_endpoint() -> Option<String> {
    if switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return None;
    }
    setting("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| setting("AWS_ENDPOINT_URL"))
}

fn switch(name: &'static str) -> bool {
    setting(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Trusts Amazon's own roots where the endpoint is Amazon's, because reading the system's takes longer than everything
/// else at the start. The system's are for an endpoint of somebody else, and for the partitions whose certificates need
/// not descend from these: China and the isolated ones. `SSL_CERT_FILE` and `SSL_CERT_DIR` go before all of this.
fn trust_store(region: Option<&str>, own_endpoint: Option<&str>) -> Result<TrustStore, StartError> {
    let own_endpoint_has = |scheme: &str| own_endpoint.is_some_and(|endpoint| endpoint.starts_with(scheme));
    let elsewhere = region.is_some_and(|region| region.starts_with("cn-") || region.contains("-iso"));
    // Without TLS nothing is trusted, and what a developer's machine sets does not matter.
    if !own_endpoint_has("http:") && (roots_are_given()? || own_endpoint_has("https:") || elsewhere) {
        // The system's, or exactly those in the given file and folders where there are any.
        Ok(TrustStore::default())
    } else {
        Ok(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
    }
}

/// Whether `SSL_CERT_FILE` or `SSL_CERT_DIR` names certificates. What cannot be read is an error: the client would only
/// warn of it, trust less than was meant, and fail at every request.
fn roots_are_given() -> Result<bool, StartError> {
    let (file, folders) = (optional("SSL_CERT_FILE")?, optional("SSL_CERT_DIR")?);
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
        None if found.certs.is_empty() => {
            Err(unusable(name, "names no certificates in the form of PEM".to_owned()))
        }
        None => Ok(()),
    }
}

/// HTTP over TLS with ring, which is ready at once; aws-lc gathers entropy first.
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

/// Opens the connection that the first request then uses, by asking DynamoDB whether it is well, as a load balancer
/// would: that needs no right and costs nothing. Whatever comes of it, the function starts.
async fn prepare(connector: &SharedHttpConnector, params: &Params) {
    let asking = async {
        let endpoint = DefaultResolver::new().resolve_endpoint(params).await?;
        let mut request = HttpRequest::empty();
        request.set_uri(endpoint.url())?;
        let response = connector.call(request).await?;
        // A connection is free again when what came over it has been read.
        response.into_body().collect().await?;
        Ok::<_, lambda_http::Error>(())
    };
    match tokio::time::timeout(TIME_TO_PREPARE, asking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no connection could be prepared"),
        Err(_) => tracing::debug!("there was no time to prepare a connection"),
    }
}
