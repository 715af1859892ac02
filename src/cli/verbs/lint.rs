//! `lint`: what is wrong with objects in files.

use crate::cli::files::text;
use crate::cli::lint::{File, lint};
use crate::cli::output::{self, Format};
use anyhow::Context;
use jiff::Timestamp;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: u8 = 2;
const STDIN: &str = "<stdin>";

/// Check objects in files: the schemas and rules of the kinds, what the controller would refuse, and references between the files.
///
/// It needs no cluster. The exit code is 0 if there are no errors, 1 if there are, 2 if a file cannot be read. Warnings are about what the
/// cluster may hold and the files do not.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files, directories, or - for stdin. Of a directory, every .yaml, .yml and .json file below it is read.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let files = match read(&arguments.files) {
        Ok(files) => files,
        Err(error) => {
            writeln!(io::stderr(), "kubectl towpath: {error:#}")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let report = lint(&files, Timestamp::now())?;
    for note in &report.notes {
        writeln!(io::stderr(), "note: {note}")?;
    }
    let findings = &report.findings;
    if arguments.output.is_table() {
        output::lines(out, findings.lines(output::layout().colour))?;
        writeln!(io::stderr(), "{}", findings.summary())?;
    } else {
        let names = findings.findings.iter().map(|it| format!("{}:{}", it.file, it.line)).collect::<Vec<_>>();
        output::data(out, arguments.output, "Lint", findings, names)?;
    }
    Ok(ExitCode::from(u8::from(findings.have_errors())))
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            files.push(File { name: STDIN.to_owned(), text: text(path)? });
            continue;
        }
        let is_folder =
            fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.is_dir();
        if !is_folder {
            files.push(file(path)?);
            continue;
        }
        let mut found = Vec::new();
        below(path, &mut found)?;
        if found.is_empty() {
            anyhow::bail!("{} holds no .yaml, .yml or .json file", path.display());
        }
        found.sort();
        for path in found {
            files.push(file(&path)?);
        }
    }
    Ok(files)
}

fn file(path: &Path) -> anyhow::Result<File> {
    Ok(File { name: path.display().to_string(), text: text(path)? })
}

/// The manifests below a folder. Links to folders are not followed, because they may lead back.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let shown = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(shown)? {
        let entry = entry.with_context(shown)?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().with_context(shown)?.is_dir() {
            if !is_hidden {
                below(&path, found)?;
            }
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json") {
            found.push(path);
        }
    }
    Ok(())
}
