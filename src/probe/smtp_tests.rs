//! Mail servers on loopback, good and bad ones. The protocol of the server is a library.

use super::*;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use support::mail_server::{MailServer as Server, Offers};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// A server whose authority is in the folder.
async fn server(offers: Offers, refuses: bool, folder: &Path) -> Server {
    let server = Server::start(offers, refuses).await.unwrap();
    std::fs::write(folder.join("ca.crt"), &server.authority).unwrap();
    server
}

fn mail() -> Mail {
    Mail {
        from: "towpath@example.com".into(),
        to: vec!["shop@example.com".into(), "ops@example.com".into()],
        subject: "[Towpath] Größe 1.1.0 failed in prod".into(),
        text: "Größe 1.1.0 failed in prod\n\n.hidden\nMessage: web restarts\n".into(),
        id: "uid.Failed".into(),
        at: "2026-11-02T12:00:00Z".parse().unwrap(),
    }
}

fn to(address: SocketAddr, security: Security) -> MailServer {
    MailServer {
        host: "localhost".into(),
        port: address.port(),
        security,
        allowed: Allowed::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
        tls: TlsFiles { ca: Some("ca.crt".into()), client: None },
        login: None,
    }
}

fn prober(folder: &Path) -> Prober {
    let loopback = Resolver::new(|_, port| async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) });
    Prober::new(Credentials::below(folder.to_owned()), Forbidden::default(), loopback)
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "s3cret\n").unwrap();
    for (offers, security, has_login) in [
        (Offers::Tls, Security::Tls, true),
        (Offers::StartTls, Security::StartTls, true),
        (Offers::Nothing, Security::None, false),
    ] {
        let smtp = server(offers, false, folder.path()).await;
        let login = has_login.then(|| ("alice".to_owned(), "password".to_owned()));
        let server = MailServer { login, ..to(smtp.address, security) };
        prober(folder.path()).mail(&server, &mail()).await.unwrap();
        let all = smtp.got();
        assert_eq!(all.len(), 1, "{all:?}");
        let text = &all[0];
        for part in [
            "from towpath@example.com to shop@example.com, ops@example.com",
            "\r\nMessage-ID: <uid.Failed@example.com>\r\n",
            "\r\nDate: Mon, 02 Nov 2026 12:00:00 +0000\r\n",
            "\r\nTo: shop@example.com, ops@example.com\r\n",
            "\r\nSubject: ",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_without_tls_unless_the_server_is_configured_so() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = server(Offers::Nothing, false, folder.path()).await;
    let error = prober(folder.path()).mail(&to(smtp.address, Security::StartTls), &mail()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "localhost offers no STARTTLS; nothing was sent, because spec.smtp.security is StartTls"
    );
    let error = prober(folder.path()).mail(&to(smtp.address, Security::Tls), &mail()).await.unwrap_err();
    assert!(matches!(error, ProbeError::Tls { .. }), "{error}");
    assert!(smtp.got().is_empty());
}

#[tokio::test]
async fn the_certificate_of_a_mail_server_is_verified() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (offers, security) in [(Offers::Tls, Security::Tls), (Offers::StartTls, Security::StartTls)] {
        let smtp = server(offers, false, folder.path()).await;
        server(offers, false, other.path()).await;
        let error = prober(other.path()).mail(&to(smtp.address, security), &mail()).await.unwrap_err();
        assert!(matches!(error, ProbeError::Tls { .. }), "another authority: {error}");
        let named = MailServer { host: "example.org".into(), ..to(smtp.address, security) };
        let error = prober(folder.path()).mail(&named, &mail()).await.unwrap_err();
        assert!(matches!(error, ProbeError::Tls { .. }), "another name: {error}");
        assert!(smtp.got().is_empty());
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_holds_no_password() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrong"), "wr0ng\n").unwrap();
    std::fs::write(folder.path().join("password"), "s3cret\n").unwrap();
    let smtp = server(Offers::StartTls, false, folder.path()).await;
    let with = |file: &str| {
        let login = Some(("alice".to_owned(), file.to_owned()));
        MailServer { login, ..to(smtp.address, Security::StartTls) }
    };
    let error = prober(folder.path()).mail(&with("wrong"), &mail()).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("535"), "{error}");
    assert!(!error.to_string().contains("wr0ng"), "{error}");
    let elsewhere = Mail { to: vec!["shop@example.org".into()], ..mail() };
    let error = prober(folder.path()).mail(&with("password"), &elsewhere).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("550"), "{error}");
    let error = prober(folder.path()).mail(&with("gone"), &mail()).await.unwrap_err();
    assert!(matches!(error, ProbeError::File { .. }), "{error}");
    let smtp = server(Offers::Nothing, true, folder.path()).await;
    let error = prober(folder.path()).mail(&to(smtp.address, Security::None), &mail()).await.unwrap_err();
    assert!(!error.is_refusal() && error.to_string().contains("451"), "{error}");
}

#[tokio::test]
async fn a_subject_with_a_line_break_adds_no_header() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = server(Offers::Nothing, false, folder.path()).await;
    let subject = "x\r\nBcc: all@example.com".to_owned();
    let _ = prober(folder.path()).mail(&to(smtp.address, Security::None), &Mail { subject, ..mail() }).await;
    assert!(smtp.got().iter().all(|text| !text.contains("\nBcc: ")), "{:?}", smtp.got());
}

/// A server that is silent, and one whose greeting never ends.
#[tokio::test]
async fn a_mail_server_gets_ten_seconds_and_its_answers_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(&[b'x'; 65_536]).await.is_ok() {} });
        }
    });
    let error = prober(folder.path()).mail(&to(address, Security::None), &mail()).await.unwrap_err();
    assert!(error.to_string().contains("larger than 262144 bytes"), "{error}");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let begun = Instant::now();
    let address = silent.local_addr().unwrap();
    let error = prober(folder.path()).mail(&to(address, Security::None), &mail()).await.unwrap_err();
    assert!(matches!(error, ProbeError::Timeout { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(12));
}

#[tokio::test]
async fn a_mail_server_at_an_internal_address_is_not_dialled() {
    let folder = tempfile::tempdir().unwrap();
    let smtp = server(Offers::Nothing, false, folder.path()).await;
    let server = MailServer { allowed: Allowed::default(), ..to(smtp.address, Security::None) };
    let error = prober(folder.path()).mail(&server, &mail()).await.unwrap_err();
    assert!(matches!(error, ProbeError::Address { .. }), "{error}");
    assert!(smtp.got().is_empty());
}
