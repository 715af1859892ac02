//! Servers that misbehave in front of a client: each in one way, for every request, and with a record of what it was asked.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The length of an answer that no client should read to its end: 1 GiB.
const ENDLESS: usize = 1 << 30;

/// How a server answers.
#[derive(Clone, Debug)]
pub enum Manner {
    /// It reads the request, and is silent from then on.
    Hangs,
    /// Its answer is 1 GiB long.
    Endless,
    /// It reads the request, and resets the connection.
    Resets,
    /// It sends this text.
    Sends(String),
}

impl Manner {
    /// Sends a whole answer: status and further headers, and a body.
    pub fn answer(head: &str, body: &str) -> Self {
        Self::Sends(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }
}

/// A server; it runs until the run ends.
#[derive(Clone, Debug)]
pub struct Hostile {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    connections: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
}

impl Hostile {
    /// Starts one on loopback.
    pub async fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server =
            Self { address, seen: Arc::default(), connections: Arc::default(), sent: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                let (one, manner) = (serving.clone(), manner.clone());
                tokio::spawn(async move { one.serve(stream, &manner).await });
            }
        });
        Ok(server)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// When it was asked for a path.
    pub fn asked(&self, path: &str) -> Vec<Instant> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("GET {path} HTTP/1.1");
        seen.iter().filter(|(_, first)| *first == line).map(|(at, _)| *at).collect()
    }

    /// The connections that were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The bytes of the longest answer that a client took, with what the system buffered.
    pub fn most_sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    async fn serve(&self, mut stream: TcpStream, manner: &Manner) {
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap_or(0);
        let request = String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned();
        let first = request.lines().next().unwrap_or_default().to_owned();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), first));
        match manner {
            Manner::Hangs => tokio::time::sleep(Duration::from_secs(3600)).await,
            Manner::Endless => self.flood(stream).await,
            // The end of a connection with a lingering time of zero is a reset.
            Manner::Resets => drop(stream.set_zero_linger()),
            Manner::Sends(text) => drop(stream.write_all(text.as_bytes()).await),
        }
    }

    async fn flood(&self, mut stream: TcpStream) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        let block = [b'x'; 65_536];
        for sent in (block.len()..=ENDLESS).step_by(block.len()) {
            if stream.write_all(&block).await.is_err() {
                return;
            }
            self.sent.fetch_max(sent, Ordering::Relaxed);
        }
    }
}
