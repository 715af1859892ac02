//! How a view is written: as a table or a tree for a person, or as JSON or YAML for a program.

use crate::view::VERSION;
use crate::view::screen::{Layout, Table};
use clap::ValueEnum;
use console::Term;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

/// The format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table that fits the terminal.
    #[default]
    Table,
    /// A table with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// One name per line, as `kind/name`.
    Name,
}

impl Format {
    /// Whether it is for a person to read.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

/// The layout of this process' stdout.
pub fn layout() -> Layout {
    let terminal = Term::stdout();
    let width = terminal.is_term().then(|| terminal.size_checked()).flatten();
    Layout { width: width.map(|(_, columns)| usize::from(columns)), colour: console::colors_enabled() }
}

/// Writes a view. `names` are the objects that it shows.
pub fn write(
    out: &mut dyn Write,
    format: Format,
    kind: &str,
    view: &impl Serialize,
    table: impl FnOnce() -> Table,
    names: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    write_lines(out, format, kind, view, |layout| table().lines(layout), names)
}

/// The same for a view that is more than a table.
pub fn write_lines(
    out: &mut dyn Write,
    format: Format,
    kind: &str,
    view: &impl Serialize,
    shown: impl FnOnce(Layout) -> Vec<String>,
    names: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    match format {
        Format::Table | Format::Wide => lines(out, shown(layout())),
        Format::Name | Format::Json | Format::Yaml => data(out, format, kind, view, names),
    }
}

/// Writes a view for a program.
pub fn data(
    out: &mut dyn Write,
    format: Format,
    kind: &str,
    view: &impl Serialize,
    names: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    match format {
        Format::Name => lines(out, names),
        Format::Json | Format::Table | Format::Wide => {
            Ok(writeln!(out, "{}", serde_json::to_string_pretty(&versioned(kind, view)?)?)?)
        }
        Format::Yaml => Ok(out.write_all(serde_yaml::to_string(&versioned(kind, view)?)?.as_bytes())?),
    }
}

/// Writes lines.
pub fn lines(out: &mut dyn Write, lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The data of a view with its kind and version.
fn versioned(kind: &str, view: &impl Serialize) -> anyhow::Result<Value> {
    let mut whole = json!({ "apiVersion": VERSION, "kind": kind });
    if let (Some(whole), Value::Object(fields)) = (whole.as_object_mut(), serde_json::to_value(view)?) {
        whole.extend(fields);
    }
    Ok(whole)
}
