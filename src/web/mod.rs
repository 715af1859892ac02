//! The page for release managers: routes over the views, for the browser of one user.
//!
//! The page reads and writes with the rights of its visitor and has none of its own. It never shows one visitor what another may see.

mod action;
mod dialog;
mod guard;
mod pages;
mod route;
mod routes;
mod secret;
mod visitor;
mod visitors;

pub use guard::Names;
pub use routes::router;
pub use secret::Secrets;
pub use visitors::{Connect, Visitors};

use crate::api::ProjectName;
use crate::user::reader::Reader;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use visitor::Visitor;

/// The empty page. MODE and PROJECT are replaced.
const SHELL: &str = include_str!("assets/shell.html");

/// Who may visit the page.
pub enum Access {
    /// The user who started it, in the tabs that know the token.
    Local {
        /// The secret that opens the page, and the token of its tabs.
        secrets: Secrets,
        /// The user.
        visitor: Arc<Visitor>,
        /// The project that is shown first.
        project: ProjectName,
    },
    /// Everyone whom the API server knows, each with a bearer token of their own.
    Tokens {
        /// The visitors.
        visitors: Visitors,
        /// The project that is shown first. Empty: the page asks for one.
        project: ProjectName,
    },
}

/// Why a request has no visitor, in a sentence.
enum Refusal {
    /// Nothing says who sends it, or it is a token that is not accepted.
    Unknown(String),
    /// The API server does not answer who it is. It can be asked again.
    Unanswered(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown(sentence) => (StatusCode::UNAUTHORIZED, sentence).into_response(),
            Self::Unanswered(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response(),
        }
    }
}

/// What the shell tells its script.
struct Mode {
    word: &'static str,
    project: String,
}

impl Access {
    /// Access for the user of the reader, which is of the project that is shown first. `writer`: the same with a client that sends each
    /// request once.
    pub fn local(secrets: Secrets, reader: Reader, writer: Reader) -> Self {
        let project = reader.project.clone();
        Self::Local { secrets, visitor: Arc::new(Visitor::new(reader, writer)), project }
    }

    fn mode(&self) -> Mode {
        match self {
            Self::Local { project, .. } => Mode { word: "local", project: project.to_string() },
            Self::Tokens { project, .. } => Mode { word: "token", project: project.to_string() },
        }
    }

    /// The token for the secret that opened the page.
    fn exchange(&self, secret: &str) -> Option<&str> {
        match self {
            Self::Local { secrets, .. } => secrets.exchange(secret),
            Self::Tokens { .. } => None,
        }
    }

    /// Forgets what visitors who are away have looked at.
    pub fn sweep(&self) {
        match self {
            Self::Local { .. } => {}
            Self::Tokens { visitors, .. } => visitors.sweep(),
        }
    }

    /// The visitor of a request, or why there is none.
    async fn visitor(&self, headers: &HeaderMap) -> Result<Arc<Visitor>, Refusal> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        match self {
            Self::Local { secrets, visitor, .. } if secrets.admits(token) => Ok(Arc::clone(visitor)),
            Self::Local { .. } => Err(Refusal::Unknown(
                "This tab does not know the token of the page. Start the page again: kubectl towpath ui"
                    .to_owned(),
            )),
            Self::Tokens { visitors, .. } => visitors.of(token).await,
        }
    }
}
