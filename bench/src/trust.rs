//! The certificates that functions trust, as files for `SSL_CERT_FILE`.
//!
//! A function is given as many as it would read on Lambda, because each has to be parsed before the first request: ours
//! embed the five roots of Amazon, a stock one reads the system's whole bundle. The root of this run comes on top.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// What the roots of Amazon Trust Services have in their subjects: <https://www.amazontrust.com/repository/>.
const AMAZON: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// Where distributions keep their bundle: Debian and its kin, Amazon Linux and its kin.
const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Which certificates a function trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The five roots of Amazon.
    Amazon,
    /// Everything that the system trusts.
    System,
}

/// The two files.
pub struct TrustFiles {
    amazon: PathBuf,
    system: PathBuf,
}

impl TrustFiles {
    /// Writes both files into `folder`.
    pub fn write(folder: &Path, own_root: &CertificateDer<'_>) -> Result<Self> {
        let own = pem(own_root);
        let (amazon, system) = (folder.join("amazon.pem"), folder.join("system.pem"));
        std::fs::write(&amazon, own.clone() + &amazon_roots()?)?;
        std::fs::write(&system, own + &system_bundle()?)?;
        Ok(Self { amazon, system })
    }

    /// The file for `SSL_CERT_FILE`.
    #[must_use]
    pub fn path(&self, trust: Trust) -> &Path {
        match trust {
            Trust::Amazon => &self.amazon,
            Trust::System => &self.system,
        }
    }
}

fn amazon_roots() -> Result<String> {
    let contains = |certificate: &[u8], name: &str| {
        certificate.windows(name.len()).any(|window| window == name.as_bytes())
    };
    let roots: Vec<_> = TLS_SERVER_ROOT_CERTS
        .iter()
        .filter(|certificate| AMAZON.iter().any(|name| contains(certificate, name)))
        .map(pem)
        .collect();
    ensure!(roots.len() == AMAZON.len(), "there are {} roots of Amazon instead of five", roots.len());
    Ok(roots.concat())
}

/// The system's bundle, or Mozilla's, of which every distribution's is made.
fn system_bundle() -> Result<String> {
    match BUNDLES.iter().find(|path| Path::new(path).exists()) {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}")),
        None => Ok(TLS_SERVER_ROOT_CERTS.iter().map(pem).collect()),
    }
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
