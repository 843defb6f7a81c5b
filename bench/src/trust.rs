//! The certificates that functions trust, as files for `SSL_CERT_FILE`.
//!
//! A process parses each certificate before its first request, so a function gets as many as it reads on Lambda: the
//! project's own functions embed the five roots of Amazon, and a stock client reads the system's whole bundle. Each
//! file also has the root of this run.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
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

/// The certificates that a function trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The five roots of Amazon.
    Amazon,
    /// Mozilla's roots, of which distributions make the system's bundle.
    Mozilla,
}

impl Trust {
    /// Returns the file for `SSL_CERT_FILE` in the folder that [`write`] has filled.
    pub fn file(self, folder: &Path) -> PathBuf {
        folder.join(format!("{self:?}.pem"))
    }
}

/// Writes a file for each [`Trust`] into `folder`.
pub fn write(folder: &Path, own_root: &CertificateDer<'_>) -> Result<()> {
    let mozilla: String = TLS_SERVER_ROOT_CERTS.iter().map(pem).collect();
    for (trust, roots) in [(Trust::Amazon, amazon_roots()?), (Trust::Mozilla, mozilla)] {
        std::fs::write(trust.file(folder), pem(own_root) + &roots)?;
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
    let text = BASE64_STANDARD.encode(certificate);
    let mut lines = String::from("-----BEGIN CERTIFICATE-----\n");
    for start in (0..text.len()).step_by(64) {
        lines.push_str(&text[start..text.len().min(start + 64)]);
        lines.push('\n');
    }
    lines + "-----END CERTIFICATE-----\n"
}
