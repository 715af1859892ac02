//! The flags of a verb that shows a whole project.

use super::connection::Connection;
use super::output::Format;
use crate::user::reader::Reader;

/// The project, the connection, and the format of the output.
#[derive(Debug, clap::Args)]
pub struct OfProject {
    /// The project, which is a namespace. Default: the namespace of the context.
    project: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl OfProject {
    /// A reader of the project.
    pub async fn open(&self) -> anyhow::Result<Reader> {
        self.connection.open(self.project.as_deref()).await
    }
}
