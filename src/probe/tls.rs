//! TLS to a provider: the certificate of the server is always verified.

use super::credentials::Credentials;
use super::error::ProbeError;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Files for TLS, as paths below the credentials folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsFiles {
    /// The authorities that sign the certificate of the server; the public ones if there is none.
    pub ca: Option<String>,
    /// The client certificate and its key.
    pub client: Option<(String, String)>,
}

/// The configuration of a connection.
pub(super) fn configuration(
    files: &TlsFiles,
    credentials: &Credentials,
) -> Result<Arc<ClientConfig>, ProbeError> {
    let broken = |file: &str, why: &str| ProbeError::File { file: file.to_owned(), why: why.to_owned() };
    let certificates = |file: &str| -> Result<Vec<CertificateDer<'static>>, ProbeError> {
        let pem = credentials.read(file)?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(all),
            Ok(_) | Err(_) => Err(broken(file, "it holds no PEM certificate")),
        }
    };
    let mut roots = RootCertStore::empty();
    match &files.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|_| broken(file, "it holds a certificate that is no authority"))?;
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ProbeError::Url(error.to_string()))?
        .with_root_certificates(roots);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let pem = credentials.read(key)?;
            let secret = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|_| broken(key, "it holds no PEM private key"))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, secret)
                .map_err(|_| broken(key, "it does not fit the certificate"))?
        }
    };
    Ok(Arc::new(config))
}
