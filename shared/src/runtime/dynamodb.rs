//! The DynamoDB client, configured for a quick start.

use std::time::Duration;

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
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use http_body_util::BodyExt;
use lambda_runtime::Error;

use super::{
    IDS, StartError,
    aws::{CONNECT_TIMEOUT, Service},
};
use crate::store::{CapacityMeter, RequestTokens, TransactionConflicts};

/// The time limits of a request to DynamoDB: for one attempt, and for all attempts together. Each is less than the next, and
/// all are less than the function's own limit of 10 seconds in `template.yaml`.
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

/// Creates the client and, if that is possible without delay, opens its first connection.
pub(super) async fn client() -> Result<Client, StartError> {
    let service = Service::from_env("AWS_ENDPOINT_URL_DYNAMODB")?;
    let params = Params::builder()
        .set_region(service.region.clone())
        .set_endpoint(service.endpoint.clone())
        .use_fips(service.fips)
        .use_dual_stack(service.dual_stack);
    let mut configuration = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(service.region.clone().map(Region::new))
        .use_fips(service.fips)
        .use_dual_stack(service.dual_stack)
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
        .interceptor(RequestTokens(IDS))
        .interceptor(CapacityMeter);
    configuration.set_endpoint_url(service.endpoint.clone());
    if let Ok(params) = params.build() {
        prepare(&service.connector, &params).await;
    }
    Ok(Client::from_conf(configuration.http_client(service.http_client()).build()))
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
