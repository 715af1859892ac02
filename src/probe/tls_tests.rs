//! The certificate of a server is always verified.

use super::{Allowed, Credentials, Endpoint, Forbidden, ProbeError, Prober, Resolver, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A server with a certificate for this name, and the certificate of its authority.
async fn server(name: &str) -> (SocketAddr, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    });
    (address, ca.pem())
}

#[tokio::test]
async fn a_server_is_believed_only_with_a_certificate_for_its_name_from_a_known_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (address, ca) = server("localhost").await;
    let (_, other) = server("localhost").await;
    std::fs::write(folder.path().join("ca.crt"), ca).unwrap();
    std::fs::write(folder.path().join("other.crt"), other).unwrap();
    std::fs::write(folder.path().join("empty.crt"), "none").unwrap();
    let prober = Prober::new(Credentials::below(folder.path().to_owned()), Forbidden::default(), Resolver::default());
    let ask = async |host: &str, ca: Option<&str>| {
        let endpoint = Endpoint {
            name: "metrics".into(),
            url: format!("https://{host}:{}", address.port()),
            allowed: Allowed::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
            tls: TlsFiles { ca: ca.map(str::to_owned), client: None },
            auth: None,
            headers: BTreeMap::new(),
            rate: 100,
        };
        prober.get(&endpoint, "/").await.map(|reply| reply.status)
    };
    assert_eq!(ask("localhost", Some("ca.crt")).await.unwrap(), 200);
    for (host, ca) in [("localhost", None), ("localhost", Some("other.crt")), ("127.0.0.1", Some("ca.crt"))] {
        let error = ask(host, ca).await.unwrap_err();
        assert!(matches!(error, ProbeError::Tls { .. }), "{host} {ca:?}: {error}");
    }
    for file in ["empty.crt", "missing.crt", "../ca.crt"] {
        let error = ask("localhost", Some(file)).await.unwrap_err();
        assert!(matches!(error, ProbeError::File { .. }), "{file}: {error}");
    }
}
