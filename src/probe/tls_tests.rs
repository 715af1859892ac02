//! The certificate of a server is always verified.

use super::{Allowed, Auth, Credentials, Endpoint, Forbidden, ProbeError, Prober, Resolver, TlsFiles};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A new authority.
fn authority() -> (Certificate, Issuer<'static, KeyPair>) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&key).unwrap();
    (ca, Issuer::new(authority, key))
}

fn signed(name: &str, issuer: &Issuer<'static, KeyPair>) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap(), key)
}

/// A server with a certificate for this name, and the certificate of its authority. It may demand one of a client, from an authority. It
/// answers 200 to this user and password, and 401 to others.
async fn server(name: &str, clients: Option<&Certificate>) -> (SocketAddr, String) {
    let (ca, issuer) = authority();
    let (certificate, key) = signed(name, &issuer);
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = config.with_single_cert(vec![certificate.der().clone()], secret).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]);
            let has_any = request.to_lowercase().contains("\nauthorization: ");
            let is_other = has_any && !request.contains(": Basic bWU6czNjcmV0\r\n");
            let status = if is_other { "401 Unauthorized" } else { "200 OK" };
            let _ = stream
                .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").as_bytes())
                .await;
        }
    });
    (address, ca.pem())
}

#[tokio::test]
async fn a_server_is_believed_only_with_a_certificate_for_its_name_from_a_known_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (address, ca) = server("localhost", None).await;
    let (_, other) = server("localhost", None).await;
    std::fs::write(folder.path().join("ca.crt"), ca).unwrap();
    std::fs::write(folder.path().join("other.crt"), other).unwrap();
    std::fs::write(folder.path().join("empty.crt"), "none").unwrap();
    let prober =
        Prober::new(Credentials::below(folder.path().to_owned()), Forbidden::default(), Resolver::default());
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

#[tokio::test]
async fn a_client_certificate_and_a_password_are_what_the_server_gets() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let ((clients, issuer), (_, others)) = (authority(), authority());
    let (address, ca) = server("localhost", Some(&clients)).await;
    write("ca.crt", &ca);
    for (name, issuer) in [("known", &issuer), ("stranger", &others)] {
        let (certificate, key) = signed("towpath", issuer);
        write(&format!("{name}.crt"), &certificate.pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
    write("password", "s3cret\n");
    write("wrong", "other\n");
    let prober =
        Prober::new(Credentials::below(folder.path().to_owned()), Forbidden::default(), Resolver::default());
    let ask = async |client: Option<(&str, &str)>, password: &str| {
        let client = client.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
        let endpoint = Endpoint {
            name: "metrics".into(),
            url: format!("https://localhost:{}", address.port()),
            allowed: Allowed::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
            tls: TlsFiles { ca: Some("ca.crt".into()), client },
            auth: Some(Auth::Basic("me".into(), password.into())),
            headers: BTreeMap::new(),
            rate: 100,
        };
        prober.get(&endpoint, "/").await.map(|reply| reply.status)
    };
    let known = Some(("known.crt", "known.key"));
    assert_eq!(ask(known, "password").await.unwrap(), 200);
    assert_eq!(ask(known, "wrong").await.unwrap(), 401);
    for client in [None, Some(("stranger.crt", "stranger.key"))] {
        let error = ask(client, "password").await.unwrap_err();
        assert!(matches!(error, ProbeError::Tls { .. } | ProbeError::Protocol { .. }), "{client:?}: {error}");
    }
    for client in [("known.crt", "stranger.key"), ("known.crt", "password"), ("password", "known.key")] {
        let error = ask(Some(client), "password").await.unwrap_err();
        assert!(matches!(error, ProbeError::File { .. }) && !error.to_string().contains("s3cret"), "{error}");
    }
}
