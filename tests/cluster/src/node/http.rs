//! As much HTTP as a registry and the tests' application need: one request, one connection, an answer that ends with it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::network::Network;

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: String,
    pub body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

pub(crate) struct Request<'a> {
    method: &'static str,
    path: String,
    content_type: &'static str,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, "", &[])
    }

    pub fn new(method: &'static str, path: &str, content_type: &'static str, body: &'a [u8]) -> Self {
        Self { method, path: path.into(), content_type, body }
    }

    /// HTTP/1.0, so that the answer comes in one piece and the connection closes behind it.
    pub fn send(&self, network: &Network, to: SocketAddr, limit: Duration) -> Result<Reply> {
        let mut stream = network.connect(to, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut head = format!("{} {} HTTP/1.0\r\nHost: {to}\r\n", self.method, self.path);
        if !self.content_type.is_empty() {
            head.push_str(&format!("Content-Type: {}\r\n", self.content_type));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(self.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(|| format!("{to} does not answer"))?;
        parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{to} does not speak HTTP"))
    }
}

fn parse(answer: &str) -> Option<Reply> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, headers: headers.into(), body: body.into() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_a_status_headers_and_a_body() {
        let reply = parse("HTTP/1.0 202 Accepted\r\nLocation: /v2/x\r\nA: b\r\n\r\nbody\r\n\r\n").unwrap();
        assert_eq!((reply.status, reply.header("location")), (202, Some("/v2/x")));
        assert_eq!(reply.body, "body\r\n\r\n");
        assert!(parse("HTTP/1.0 200 OK\r\n\r\n").is_some_and(|reply| reply.body.is_empty()));
        assert!(parse("SSH-2.0").is_none());
    }
}
