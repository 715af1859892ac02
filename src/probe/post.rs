//! A POST request that is sent as it is: an equal one is another notification.

use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::error::ProbeError;
use super::http::{Ask, Prober};
use super::redact::redact;
use http::{Method, Uri};
use std::collections::BTreeMap;

/// The largest answer that is read.
const LARGEST: usize = 64 * 1024;

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// Path and query, behind the prefix of the endpoint.
    pub path: String,
    /// Content type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: BTreeMap<&'static str, String>,
    /// Body.
    pub body: String,
    /// Whether the path is a credential.
    pub has_secret_path: bool,
}

impl Prober {
    /// Sends a POST request. Any answer but one of success is an error, a redirect too.
    pub async fn post(&self, endpoint: &Endpoint, post: Post) -> Result<(), ProbeError> {
        let secrets = match post.has_secret_path {
            true => [post.path.as_str(), post.path.trim_start_matches('/')].map(str::to_owned).to_vec(),
            false => Vec::new(),
        };
        let secrets: Vec<String> = secrets.into_iter().filter(|secret| secret.len() > 1).collect();
        let ask = Ask {
            method: Method::POST,
            path: post.path,
            body: Some((post.content_type, post.body)),
            headers: post.headers,
            largest: LARGEST,
        };
        let reply = redact(self.answer(endpoint, ask).await?, &secrets);
        if reply.is_success() {
            return Ok(());
        }
        let host = endpoint.url.parse::<Uri>().ok().and_then(|url| url.host().map(ToOwned::to_owned));
        let refuses_the_body = matches!(reply.status, 400 | 413 | 422);
        let said = match reply.status {
            300..400 => "a redirect is not followed".into(),
            _ => String::from_utf8_lossy(&reply.body),
        };
        Err(reply.error(&host.unwrap_or_default(), refuses_the_body, said.trim()))
    }

    /// The URL in a file, as the address of the server, and path and query.
    pub fn url_of(&self, file: &str) -> Result<(String, String), ProbeError> {
        secret_url(&self.credentials, file)
    }
}

/// The URL in a file, as the address of the server, and path and query. No error holds it.
fn secret_url(credentials: &Credentials, file: &str) -> Result<(String, String), ProbeError> {
    let bad = |why: &str| ProbeError::File { file: file.to_owned(), why: why.to_owned() };
    let text = String::from_utf8(credentials.read(file)?).map_err(|_| bad("it is not text"))?;
    let url: Uri = text.trim().parse().map_err(|_| bad("it holds no URL"))?;
    match (url.scheme_str(), url.authority()) {
        (Some(scheme @ ("https" | "http")), Some(authority)) if !authority.as_str().contains('@') => {
            let path = url.path_and_query().map_or("/", |path| path.as_str());
            Ok((format!("{scheme}://{authority}"), path.to_owned()))
        }
        (Some(_), _) | (None, _) => Err(bad("it holds no URL that starts with https:// or http://")),
    }
}
