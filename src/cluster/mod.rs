//! One API server: the client stack, leadership, stores fed by watches, events, discovery.
//!
//! Invariant: nothing here decides anything about a release. Every handle is a cheap clone of shared state that its
//! owner passes on as an argument; there are no globals. Every request to the API server goes through
//! [`client::Clients`], and a write is sent only while [`fence::Fence`] says that this replica leads.

pub mod backoff;
pub mod cache;
pub mod client;
pub mod discovery;
pub mod error;
pub mod events;
pub mod fence;
pub mod lease;
pub mod pulse;
pub mod server_time;
pub mod slim;
pub mod store;
pub mod stores;
pub mod telemetry;
pub mod versions;
pub mod watch;
pub mod whoami;

pub use cache::Cache;
pub use client::{ClientOptions, Clients, Identity, Warnings};
pub use discovery::{Resources, is_unserved};
pub use error::{ClusterError, Refusal, brief, code_of, refusal, status_of, words};
pub use events::{EventQueue, EventType, NewEvent};
pub use fence::Fence;
pub use pulse::Pulse;
pub use server_time::ServerTime;
pub use store::{Delta, Store, Undecodable};
pub use stores::{Change, Scope, Stores, application_of};
pub use telemetry::Telemetry;
pub use versions::Versions;
pub use watch::{Watch, WatchOptions, Watched, Whole};
pub use whoami::OwnIdentity;
