//! Mail servers on loopback. The protocol of the server is a library.

use anyhow::Result;
use mailin::{Action, Handler, Response, Session, SessionBuilder, response};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// How a server protects its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    /// TLS from the first byte.
    Tls,
    /// `STARTTLS`.
    StartTls,
    /// No TLS.
    Nothing,
}

/// A server for `localhost` that accepts mail for example.com, and knows alice by her password `s3cret`, whom
/// it demands over TLS. It runs until the run ends.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate of its authority, as PEM.
    pub authority: String,
    got: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Starts one. One that refuses says so before each text.
    pub async fn start(offers: Offers, refuses: bool) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = authority.self_signed(&key)?.pem();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        let secret = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = Self { address: listener.local_addr()?, authority: pem, got: Arc::default() };
        let got = Arc::clone(&server.got);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let handler = Accepting { got: Arc::clone(&got), text: Vec::new(), refuses };
                tokio::spawn(serve(stream, peer.ip(), offers, acceptor.clone(), handler));
            }
        });
        Ok(server)
    }

    /// The mails, each behind a line with sender and recipients.
    pub fn got(&self) -> Vec<String> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Accepting {
    got: Arc<Mutex<Vec<String>>>,
    text: Vec<u8>,
    refuses: bool,
}

impl Handler for Accepting {
    fn rcpt(&mut self, to: &str) -> Response {
        if to.ends_with("@example.com") { response::OK } else { response::NO_MAILBOX }
    }

    fn data_start(&mut self, _: &str, from: &str, _: bool, to: &[String]) -> Response {
        if self.refuses {
            return response::INTERNAL_ERROR;
        }
        self.text = format!("from {from} to {}\n", to.join(", ")).into_bytes();
        response::OK
    }

    fn data(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.text.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(String::from_utf8_lossy(&self.text).into_owned());
        response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        if (user, password) == ("alice", "s3cret") {
            response::AUTH_OK
        } else {
            response::INVALID_CREDENTIALS
        }
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, offers: Offers, acceptor: TlsAcceptor, handler: Accepting) {
    let mut builder = SessionBuilder::new("localhost");
    if offers == Offers::StartTls {
        builder.enable_start_tls();
    }
    if offers != Offers::Nothing {
        builder.enable_auth(mailin::AuthMechanism::Plain);
    }
    let mut session = builder.build(peer, handler);
    let greeting = session.greeting();
    if offers == Offers::Tls {
        let Ok(stream) = acceptor.accept(stream).await else { return };
        session.tls_active();
        talk(stream, Some(greeting), &mut session).await;
        return;
    }
    let Some(stream) = talk(stream, Some(greeting), &mut session).await else { return };
    let Ok(stream) = acceptor.accept(stream).await else { return };
    session.tls_active();
    talk(stream, None, &mut session).await;
}

/// Answers until the end. Returns the connection if it changes to TLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greeting: Option<Response>,
    session: &mut Session<Accepting>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if let Some(greeting) = greeting {
        write(&mut stream, &greeting).await?;
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let answer = session.process(&line);
        match answer.action {
            Action::NoReply => {}
            Action::Reply => write(&mut stream, &answer).await?,
            Action::Close => {
                write(&mut stream, &answer).await;
                return None;
            }
            Action::UpgradeTls => {
                write(&mut stream, &answer).await?;
                return Some(stream.into_inner());
            }
        }
    }
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    answer: &Response,
) -> Option<()> {
    stream.write_all(&answer.buffer().ok()?).await.ok()?;
    stream.flush().await.ok()
}
