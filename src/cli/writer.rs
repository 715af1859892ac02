//! Writes intents with the rights of the user. The rights are asked about first, so that a missing one can be named; the API server judges.
//!
//! Invariant: each intent is sent at most once.

use super::connection::Connection;
use crate::api::{GROUP, UserInfo};
use crate::user::reader::Reader;
use crate::user::rights::{require, user};
use crate::user::sender::{Keep, preview, send_intent};
use crate::view::intent::{Intent, Request};
use clap::ValueEnum;
use serde_json::Value;

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DryRun {
    /// Write.
    #[default]
    None,
    /// Show what would be sent, and send nothing.
    Client,
    /// Let the API server judge it, and keep nothing.
    Server,
}

/// What is written about the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kind and name.
    Name,
}

/// The flags of a verb that writes.
#[derive(Debug, clap::Args)]
pub struct Writing {
    #[command(flatten)]
    connection: Connection,
    /// Write nothing: show what would be sent, or let the API server judge it.
    #[arg(
        long, value_enum, value_name = "MODE", default_value_t,
        num_args = 0..=1, require_equals = true, default_missing_value = "client"
    )]
    dry_run: DryRun,
    /// Format of the object that is written.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Writes to one project.
pub struct Writer {
    /// Reads the project.
    pub reader: Reader,
    user: Option<UserInfo>,
    dry_run: DryRun,
    output: Option<Output>,
}

impl Writing {
    /// A writer of the project.
    pub async fn open(&self) -> anyhow::Result<Writer> {
        let writer = Writer::open(&self.connection).await?;
        Ok(Writer { dry_run: self.dry_run, output: self.output, ..writer })
    }
}

impl Writer {
    /// A writer for a verb that shows by itself what it wrote.
    pub async fn open(connection: &Connection) -> anyhow::Result<Self> {
        let reader = connection.open_to_write().await?;
        // Where the API server does not fill in the user, it has to be in the manifest.
        let user = user(&reader).await;
        Ok(Self { reader, user, dry_run: DryRun::None, output: None })
    }

    /// The same writer for objects of the cluster.
    pub fn in_cluster(self) -> Self {
        Self { reader: self.reader.in_cluster(), ..self }
    }

    /// What the manifests of this user have in common.
    pub fn request<'a>(&'a self, reason: Option<&'a str>) -> Request<'a> {
        // Another user may apply what is only shown.
        let by = self.user.as_ref().filter(|_| self.dry_run != DryRun::Client);
        let project = Some(&self.reader.project).filter(|project| !project.is_empty());
        Request { project, by, reason }
    }

    /// The name of the user. Empty if it is not known.
    pub fn user(&self) -> &str {
        self.user.as_ref().map(|user| user.username.as_str()).unwrap_or_default()
    }

    /// Whether something would be written.
    pub fn is_in_earnest(&self) -> bool {
        self.dry_run == DryRun::None
    }

    /// Whether stdout is for a program.
    pub fn is_for_a_program(&self) -> bool {
        self.output.is_some()
    }

    /// Fails if the user lacks a right.
    pub async fn check(&self, intent: &Intent) -> anyhow::Result<()> {
        if self.dry_run == DryRun::Client {
            return Ok(());
        }
        require(&self.reader, &intent.rights, intent.role, self.user()).await
    }

    /// Checks the rights, writes, and says what was written.
    pub async fn write(&self, intent: &Intent, out: &mut dyn std::io::Write) -> anyhow::Result<()> {
        let object = match self.dry_run {
            DryRun::Client => preview(&self.reader, intent).await?,
            DryRun::None | DryRun::Server => self.written(intent).await?,
        };
        self.report(intent, object, out)
    }

    /// Checks the rights, and writes: the object that the API server stored.
    pub async fn written(&self, intent: &Intent) -> anyhow::Result<Value> {
        self.check(intent).await?;
        self.sent(intent).await
    }

    /// Writes what the controller does later if the user may not. An error is of no interest to the user.
    pub async fn attempt(&self, intent: &Intent) {
        let _ = self.sent(intent).await;
    }

    async fn sent(&self, intent: &Intent) -> anyhow::Result<Value> {
        let keep = if self.dry_run == DryRun::Server { Keep::Judged } else { Keep::Stored };
        send_intent(&self.reader, intent, keep).await
    }

    fn report(&self, intent: &Intent, object: Value, out: &mut dyn std::io::Write) -> anyhow::Result<()> {
        let meta = &object["metadata"];
        let name = meta["name"].as_str().or(meta["generateName"].as_str()).unwrap_or_default();
        let called = format!("{}.{GROUP}/{name}", intent.kind.singular());
        let is_whole = object["spec"].is_object();
        match self.output {
            Some(Output::Name) => writeln!(out, "{called}")?,
            Some(Output::Json) if is_whole => {
                writeln!(out, "{}", serde_json::to_string_pretty(&plain(object))?)?
            }
            Some(Output::Yaml) if is_whole => write!(out, "{}", serde_yaml::to_string(&plain(object))?)?,
            Some(Output::Json | Output::Yaml) | None => {
                let how = match self.dry_run {
                    DryRun::None => "",
                    DryRun::Client => " (dry run)",
                    DryRun::Server => " (server dry run)",
                };
                writeln!(out, "{called} {}{how}", intent.done)?;
            }
        }
        Ok(())
    }
}

/// An object without the bookkeeping of the API server, as kubectl shows it.
fn plain(mut object: Value) -> Value {
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.remove("managedFields");
    }
    object
}
