//! Refuses requests that the page itself did not send: from another origin, to another name, in a frame.
//!
//! Cookies know no ports, so there are none: a request counts only with the token of its tab. The checks here keep other sites from reading
//! what needs no token, and from reaching the server by a name that they control.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What every answer says to the browser.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The names that this server answers to.
#[derive(Clone, Debug)]
pub struct Names {
    /// `HOST:PORT`, or `HOST` for the standard port.
    pub hosts: Arc<[String]>,
    /// `http` or `https`, as the browser sees it.
    pub scheme: &'static str,
}

impl Names {
    /// Why a request is refused. None if it is the page's own.
    fn refusal(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, &'static str)> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let Some(host) = text(header::HOST).filter(|host| self.hosts.iter().any(|own| own == host)) else {
            return Some((StatusCode::MISDIRECTED_REQUEST, "this server has another name"));
        };
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let destination = text(HeaderName::from_static("sec-fetch-dest"));
        // The file or the link that opens the page is of no site. The page is empty until its script has a token.
        let opens = *method == Method::GET && path == "/" && destination == Some("document");
        if !opens && !matches!(site, None | Some("none" | "same-origin")) {
            return Some((StatusCode::FORBIDDEN, "the request is of another site"));
        }
        if *method == Method::GET || *method == Method::HEAD {
            return None;
        }
        let own = format!("{}://{host}", self.scheme);
        let is_own = text(header::ORIGIN).is_some_and(|origin| origin == own);
        (!is_own).then_some((StatusCode::FORBIDDEN, "the request is of another origin"))
    }
}

/// Passes the requests of the page, and adds the headers to every answer.
pub async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let refusal = names.refusal(request.method(), request.uri().path(), request.headers());
    let mut answer = match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, path: &str, headers: &[(&'static str, &str)]) -> Option<u16> {
        let names = Names { hosts: Arc::from(["127.0.0.1:4711".to_owned()]), scheme: "http" };
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        names.refusal(method, path, &headers).map(|(code, _)| code.as_u16())
    }

    #[test]
    fn only_the_page_itself_is_answered() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:4711");
        const SITE: &str = "sec-fetch-site";
        let own = ("origin", "http://127.0.0.1:4711");
        let (get, post) = (&Method::GET, &Method::POST);
        for (method, path, headers, code) in [
            (get, "/", &[HOST][..], None),
            (get, "/", &[HOST, (SITE, "none")], None),
            (get, "/", &[HOST, (SITE, "cross-site"), ("sec-fetch-dest", "document")], None),
            (get, "/", &[HOST, (SITE, "cross-site"), ("sec-fetch-dest", "iframe")], Some(403)),
            (get, "/page.js", &[HOST, (SITE, "cross-site"), ("sec-fetch-dest", "document")], Some(403)),
            (get, "/part/shop", &[HOST, (SITE, "same-site")], Some(403)),
            (get, "/part/shop", &[HOST, (SITE, "same-origin")], None),
            // A name that resolves to this machine, another port, and no name at all.
            (get, "/", &[("host", "evil.example:4711")], Some(421)),
            (get, "/", &[("host", "127.0.0.1:4712")], Some(421)),
            (get, "/", &[("host", "localhost:4711")], Some(421)),
            (get, "/", &[], Some(421)),
            (post, "/session", &[HOST], Some(403)),
            (post, "/session", &[HOST, ("origin", "null")], Some(403)),
            (post, "/session", &[HOST, ("origin", "http://127.0.0.1:4712")], Some(403)),
            (post, "/session", &[HOST, ("origin", "https://127.0.0.1:4711")], Some(403)),
            (post, "/session", &[HOST, own, (SITE, "cross-site")], Some(403)),
            (post, "/session", &[HOST, own, (SITE, "same-origin")], None),
        ] {
            assert_eq!(refused(method, path, headers), code, "{method} {path} {headers:?}");
        }
    }
}
