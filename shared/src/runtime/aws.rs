//! The part of the configuration that the clients of all AWS services have in common.
//!
//! It omits what a default client does at its start and a function on Lambda does not need: reading profiles, searching
//! for credentials in a dozen places, and parsing about 150 certificates. An operator can still configure the region, the
//! endpoint and the certificates with the variables that every AWS SDK reads.

use std::{env, path::Path, time::Duration};

use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use rustls::{RootCertStore, pki_types::CertificateDer};

use super::{
    StartError,
    environment::{optional, text, unusable},
    https::Https,
};

/// The time limit for a TCP connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The root certificates of Amazon Trust Services, from <https://www.amazontrust.com/repository/>. Every certificate of an
/// AWS endpoint descends from one of them. They are valid until 2037 or later.
const AMAZON_ROOTS: [&[u8]; 5] = [
    include_bytes!("amazon_roots/AmazonRootCA1.cer"),
    include_bytes!("amazon_roots/AmazonRootCA2.cer"),
    include_bytes!("amazon_roots/AmazonRootCA3.cer"),
    include_bytes!("amazon_roots/AmazonRootCA4.cer"),
    include_bytes!("amazon_roots/SFSRootCAG2.cer"),
];

/// Where a service is, and how it is reached.
#[derive(Debug)]
pub(super) struct Service {
    pub region: Option<String>,
    /// The endpoint that is configured instead of the region's.
    pub endpoint: Option<String>,
    pub fips: bool,
    pub dual_stack: bool,
    pub connector: SharedHttpConnector,
}

impl Service {
    /// Reads the configuration of a service. `endpoint_variable` is the service's own variable for a custom endpoint.
    pub(super) fn from_env(endpoint_variable: &'static str) -> Result<Self, StartError> {
        let region = optional("AWS_REGION").or_else(|| optional("AWS_DEFAULT_REGION"));
        let endpoint = custom_endpoint(endpoint_variable);
        let roots = trusted_roots(region.as_deref(), endpoint.as_deref())?;
        Ok(Self {
            region,
            endpoint,
            fips: switch("AWS_USE_FIPS_ENDPOINT"),
            dual_stack: switch("AWS_USE_DUALSTACK_ENDPOINT"),
            connector: SharedHttpConnector::new(Https::new(roots, CONNECT_TIMEOUT)),
        })
    }

    /// Returns an HTTP client that uses the connector, and the connections that it keeps open, for every request.
    pub(super) fn http_client(&self) -> SharedHttpClient {
        let connector = self.connector.clone();
        http_client_fn(move |_, _| connector.clone())
    }
}

/// Returns the endpoint that is configured instead of the region's, such as a database on the developer's machine.
fn custom_endpoint(variable: &'static str) -> Option<String> {
    if switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return None;
    }
    optional(variable).or_else(|| optional("AWS_ENDPOINT_URL"))
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
