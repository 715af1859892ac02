//! `get`: the board.

use crate::api::{Environment, Promotion};
use crate::cli::drawing::Drawing;
use crate::cli::of_project::OfProject;
use crate::cli::output::{self, Format};
use crate::decide::world::Project;
use crate::user::live::Live;
use crate::user::reader::Reader;
use crate::view::board::{Board, board};
use crate::view::screen::Table;
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;

/// Show the board of a project: what runs in each environment, what moves, and which gate is closed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfProject,
    /// Watch: draw the board again whenever something changes. In a pipe, write the rows that changed.
    #[arg(short, long)]
    watch: bool,
}

/// An end of the output is how a watch ends.
const CLOSED: &str = "the output was closed";

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let reader = arguments.of.open().await?;
    let found = reader.project("", Vec::new()).await?;
    if found.environments.is_empty() && !found.undecodable.is_empty() && !arguments.watch {
        // The reader has said so.
        return Ok(ExitCode::FAILURE);
    }
    if found.environments.is_empty() && arguments.of.output.is_table() && !arguments.watch {
        bail!(
            "namespace {} has no environments: name a project, as in: kubectl towpath get PROJECT",
            reader.project
        );
    }
    if arguments.watch {
        return watch(&reader, arguments.of.output, out).await;
    }
    write(&reader, &found, arguments.of.output, out)?;
    Ok(ExitCode::SUCCESS)
}

fn write(reader: &Reader, found: &Project, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let view = board(found);
    let names: Vec<String> = found.environments.keys().map(|name| format!("environment/{name}")).collect();
    output::write(out, format, "Board", &view, || table(reader, &view, format), names)
}

fn table(reader: &Reader, view: &Board, format: Format) -> Table {
    let now = reader.now();
    if format == Format::Wide { view.wide(now) } else { view.table(now) }
}

/// Draws the board until it can no longer be seen. Formats for programs write one document for each change.
async fn watch(reader: &Reader, format: Format, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut drawing = Drawing::of_table();
    let mut live = Live::new(reader);
    live.watch::<Environment>("");
    live.watch::<Promotion>("");
    let mut before = None;
    loop {
        let changed = match drawing.tick().filter(|_| before.is_some() && format.is_table()) {
            Some(tick) => tokio::time::timeout(tick, live.change()).await.ok(),
            None => Some(live.change().await),
        };
        changed.transpose()?;
        let found = reader.assembled(live.objects(), live.objects(), Vec::new());
        let view = board(&found);
        if format.is_table() {
            let lines = |layout| table(reader, &view, format).lines(layout);
            drawing.draw(lines, live.note(drawing.is_on_terminal()), false, out, CLOSED)?;
        } else if before.as_ref() != Some(&view) {
            _ = live.note(false);
            write(reader, &found, format, out)?;
            out.flush()?;
        }
        before = Some(view);
    }
}
