//! Outbound requests of checks and channels: HTTP, Prometheus and mail, to addresses that were vetted.
//!
//! Invariants: every address is vetted after it was resolved, and the connection goes to exactly that address; redirects are not
//! followed; a request ends after ten seconds, and an answer that is too large is refused. Credentials are read from files for every request
//! and are in no error and no answer.

mod address;
mod credentials;
mod endpoint;
mod error;
mod http;
#[cfg(test)]
mod http_tests;
mod post;
mod prometheus;
mod rate;
mod redact;
mod resolve;
mod share;
mod sign;
mod smtp;
#[cfg(test)]
mod smtp_tests;
mod tls;
#[cfg(test)]
mod tls_tests;

pub use address::{Allowed, Forbidden};
pub use credentials::{Auth, Credentials};
pub use endpoint::{Endpoint, Reply};
pub use error::ProbeError;
pub use http::Prober;
pub use post::Post;
pub use prometheus::{Instant, Rule, Sample};
pub use resolve::Resolver;
pub use smtp::{Mail, MailServer, Security};
pub use tls::TlsFiles;
