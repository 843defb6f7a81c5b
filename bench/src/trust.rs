//! The certificates that functions trust, as files for `SSL_CERT_FILE`.
//!
//! A process parses each certificate before its first request, so a function gets as many as it reads on Lambda: the
//! project's own functions embed the five roots of Amazon, and a stock client reads the system's whole bundle. Each
//! file also has the root of this run.

use std::path::Path;

use anyhow::{Result, ensure};
use pem::{EncodeConfig, LineEnding, Pem};
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The names of the roots of Amazon Trust Services: <https://www.amazontrust.com/repository/>.
const AMAZON: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// The file with the five roots of Amazon.
pub const AMAZON_FILE: &str = "amazon.pem";
/// The file with Mozilla's roots, of which distributions make the system's bundle.
pub const MOZILLA_FILE: &str = "mozilla.pem";

/// Writes both files into `folder`.
pub fn write(folder: &Path, own_root: &CertificateDer<'_>) -> Result<()> {
    let mozilla: String = TLS_SERVER_ROOT_CERTS.iter().map(pem).collect();
    for (file, roots) in [(AMAZON_FILE, amazon_roots()?), (MOZILLA_FILE, mozilla)] {
        std::fs::write(folder.join(file), pem(own_root) + &roots)?;
    }
    Ok(())
}

fn amazon_roots() -> Result<String> {
    let has_name = |certificate: &CertificateDer<'_>, name: &str| {
        certificate.windows(name.len()).any(|window| window == name.as_bytes())
    };
    let is_amazon = |certificate: &&CertificateDer<'_>| AMAZON.iter().any(|name| has_name(certificate, name));
    let roots: Vec<_> = TLS_SERVER_ROOT_CERTS.iter().filter(is_amazon).map(pem).collect();
    ensure!(roots.len() == AMAZON.len(), "there are {} roots of Amazon instead of five", roots.len());
    Ok(roots.concat())
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let options = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new("CERTIFICATE", certificate.as_ref()), options)
}
