//! One mail: resolve, vet, connect, secure, send.
//!
//! Invariants: without TLS nothing is sent unless the server is configured so. The certificate is always verified. The server gets ten
//! seconds, and what it may answer is bounded.

use super::address::Allowed;
use super::error::ProbeError;
use super::http::{Prober, connect, in_time};
use super::redact::clean;
use super::tls::{TlsFiles, configuration};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials as Login, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, Identity, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// The most that a server may answer, handshakes included.
const LARGEST: usize = 256 * 1024;
/// The longest text of an error.
const SAID: usize = 300;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS after `STARTTLS`.
    StartTls,
    /// No TLS.
    None,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Ranges that may be dialled although they are refused otherwise.
    pub allowed: Allowed,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// User name, and the file with the password.
    pub login: Option<(String, String)>,
}

/// A mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// What its Message-ID starts with.
    pub id: String,
    /// Its date.
    pub at: Timestamp,
}

impl Prober {
    /// Sends a mail.
    pub async fn mail(&self, server: &MailServer, mail: &Mail) -> Result<(), ProbeError> {
        let host = server.host.trim_matches(['[', ']']);
        let message = compose(mail).map_err(|why| refused(host, why))?;
        let password = server.login.as_ref().map(|(_, file)| self.credentials.line(file)).transpose()?;
        let login = server.login.as_ref().zip(password).map(|((user, _), password)| (user.clone(), password));
        let secrets: Vec<String> =
            login.iter().flat_map(|(user, password)| secrets(user, password)).collect();
        let begun = Instant::now();
        let sending = async {
            let addresses = self.resolve(host, server.port, &server.allowed).await?;
            let mut connection = self.open(server, host, &addresses).await?;
            let send = async || {
                if let Some((user, password)) = login {
                    let login = Login::new(user, password);
                    connection.auth(&[Mechanism::Plain, Mechanism::Login], &login).await?;
                }
                connection.send(message.envelope(), &message.formatted()).await?;
                // It was accepted, whatever the answer to the farewell is.
                let _ = connection.quit().await;
                Ok(())
            };
            send().await.map_err(|error| ProbeError::Mail {
                host: host.to_owned(),
                message: short(&clean(&words(&error), &secrets)),
                refused: error.is_permanent(),
            })
        };
        in_time(host, begun, true, sending).await
    }

    async fn open(
        &self,
        server: &MailServer,
        host: &str,
        addresses: &[SocketAddr],
    ) -> Result<AsyncSmtpConnection, ProbeError> {
        let hello = ClientId::Domain("towpath".to_owned());
        let stream = connect(host, addresses).await?;
        let peer = stream.peer_addr().map_err(|error| no_tls(host, &error.to_string()))?;
        let opened =
            |stream: Box<dyn AsyncTokioStream>| AsyncSmtpConnection::connect_with_transport(stream, &hello);
        match server.security {
            Security::Tls => {
                let config = configuration(&server.tls, &self.credentials)?;
                let name =
                    ServerName::try_from(host.to_owned()).map_err(|_| ProbeError::Url(host.to_owned()))?;
                let stream = TlsConnector::from(config).connect(name, stream).await;
                let stream = stream.map_err(|error| no_tls(host, &error.to_string()))?;
                opened(Box::new(Bounded::new(stream, peer))).await.map_err(|error| said(host, &error))
            }
            Security::None => {
                opened(Box::new(Bounded::new(stream, peer))).await.map_err(|error| said(host, &error))
            }
            Security::StartTls => {
                let parameters = self.parameters(&server.tls, host)?;
                let connection = opened(Box::new(Bounded::new(stream, peer))).await;
                let mut connection = connection.map_err(|error| said(host, &error))?;
                if !connection.can_starttls() {
                    return Err(ProbeError::NoStartTls { host: host.to_owned() });
                }
                let secured = connection.starttls(parameters, &hello).await;
                secured.map_err(|error| no_tls(host, &words(&error)))?;
                Ok(connection)
            }
        }
    }

    /// What the library needs to start TLS, from the same files as for any other connection.
    fn parameters(&self, files: &TlsFiles, host: &str) -> Result<TlsParameters, ProbeError> {
        // It reports which file cannot be used.
        configuration(files, &self.credentials)?;
        let broken = |error: Error| no_tls(host, &words(&error));
        let mut builder = TlsParameters::builder(host.to_owned());
        builder = match &files.ca {
            None => builder.certificate_store(CertificateStore::WebpkiRoots),
            Some(file) => {
                let authorities = Certificate::from_pem(&self.credentials.read(file)?).map_err(broken)?;
                builder.certificate_store(CertificateStore::None).add_root_certificate(authorities)
            }
        };
        if let Some((certificate, key)) = &files.client {
            let (certificate, key) = (self.credentials.read(certificate)?, self.credentials.read(key)?);
            builder = builder.identify_with(Identity::from_pem(&certificate, &key).map_err(broken)?);
        }
        builder.build_rustls().map_err(broken)
    }
}

/// A mail whose Message-ID is the same whenever it is sent.
fn compose(mail: &Mail) -> Result<Message, String> {
    let mailbox = |address: &str| -> Result<Mailbox, String> {
        Ok(Mailbox::new(None, address.parse().map_err(|_| format!("{address} is no mail address"))?))
    };
    let (_, domain) = mail.from.rsplit_once('@').unwrap_or(("", "towpath"));
    let mut builder = Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(mail.subject.clone())
        .date(mail.at.into())
        .message_id(Some(format!("<{}@{domain}>", mail.id)));
    for address in &mail.to {
        builder = builder.to(mailbox(address)?);
    }
    builder.body(mail.text.clone()).map_err(|error| error.to_string())
}

/// The texts that a server may echo.
fn secrets(user: &str, password: &str) -> Vec<String> {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let all = [password.to_owned(), encoded(password), encoded(&format!("\0{user}\0{password}"))];
    all.into_iter().filter(|secret| !secret.is_empty()).collect()
}

fn refused(host: &str, message: String) -> ProbeError {
    ProbeError::Mail { host: host.to_owned(), message, refused: true }
}

fn no_tls(host: &str, why: &str) -> ProbeError {
    ProbeError::Tls { host: host.to_owned(), why: short(why) }
}

fn said(host: &str, error: &Error) -> ProbeError {
    ProbeError::Mail { host: host.to_owned(), message: short(&words(error)), refused: error.is_permanent() }
}

/// An error of the library with its cause.
fn words(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = error.to_string();
    if text.contains(cause.trim_start_matches(": ")) { text } else { format!("{text}{cause}") }
}

fn short(text: &str) -> String {
    text.chars().take(SAID).collect()
}

/// A connection of which no more than so much is read.
#[derive(Debug)]
struct Bounded<S> {
    stream: S,
    peer: SocketAddr,
    left: usize,
}

impl<S> Bounded<S> {
    fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream, peer, left: LARGEST }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(()))
            }
            None => {
                Poll::Ready(Err(io::Error::other(format!("the answers are larger than {LARGEST} bytes"))))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> AsyncTokioStream for Bounded<S>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
