//! Where the manifests of a release come from: files, stdin, helm, or kustomize. The two programs are those of the user.

use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// More than manifests may have: what is longer is not read to its end.
const MOST_BYTES: u64 = 2 * 1024 * 1024;

/// The source of the content: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct From {
    /// Capture what runs in this environment.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub from: Option<String>,
    /// File or folder with manifests, or - for stdin. Can be repeated. Of a folder, its files .yaml, .yml and .json are read.
    #[arg(short, long)]
    pub filename: Vec<PathBuf>,
    /// Chart that your helm renders: a folder, an archive, or a name that helm knows.
    #[arg(long, value_name = "CHART")]
    pub helm: Option<String>,
    /// Folder that your kustomize renders, or your kubectl kustomize if there is no kustomize.
    #[arg(short, long, value_name = "DIR")]
    pub kustomize: Option<PathBuf>,
}

/// How helm renders a chart.
#[derive(Debug, clap::Args)]
pub struct Values {
    /// Values file for --helm. Can be repeated.
    #[arg(long, requires = "helm", conflicts_with_all = ["from", "filename", "kustomize"])]
    values: Vec<PathBuf>,
    /// Value for --helm, as KEY=VALUE. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", requires = "helm", conflicts_with_all = ["from", "filename", "kustomize"])]
    set: Vec<String>,
}

impl From {
    /// The manifests, by the name of their file.
    pub async fn read(&self, application: &str, values: &Values) -> anyhow::Result<BTreeMap<String, String>> {
        if let Some(chart) = &self.helm {
            return Ok(BTreeMap::from([(
                "helm template".to_owned(),
                render(application, chart, values).await?,
            )]));
        }
        if let Some(folder) = &self.kustomize {
            return Ok(BTreeMap::from([("kustomize build".to_owned(), build(folder).await?)]));
        }
        let mut texts = BTreeMap::new();
        for path in &self.filename {
            if path.as_os_str() == "-" {
                texts.insert("stdin".to_owned(), text(std::io::stdin().lock(), "stdin")?);
                continue;
            }
            for file in files(path)? {
                let name = file.display().to_string();
                let opened = std::fs::File::open(&file).with_context(|| format!("cannot read {name}"))?;
                texts.insert(name.clone(), text(opened, &name)?);
            }
        }
        Ok(texts)
    }
}

/// What helm prints.
async fn render(application: &str, chart: &str, values: &Values) -> anyhow::Result<String> {
    ensure!(!chart.starts_with('-'), "{chart:?} is not a chart");
    let mut command = Command::new("helm");
    command.args(["template", application, chart, "--skip-tests"]);
    for file in &values.values {
        command.arg("--values").arg(file);
    }
    for value in &values.set {
        command.args(["--set", value]);
    }
    output(command, "helm template").await
}

/// What kustomize prints.
async fn build(folder: &Path) -> anyhow::Result<String> {
    ensure!(folder.is_dir(), "{} is not a folder", folder.display());
    // A path that begins with a dash is no option.
    let folder = if folder.is_relative() { Path::new(".").join(folder) } else { folder.to_owned() };
    let mut kustomize = Command::new("kustomize");
    kustomize.arg("build").arg(&folder);
    match printed(kustomize, "kustomize build").await? {
        Some(text) => Ok(text),
        None => {
            let mut kubectl = Command::new("kubectl");
            kubectl.arg("kustomize").arg(&folder);
            output(kubectl, "kubectl kustomize").await
        }
    }
}

/// What a program of the user prints.
async fn output(command: Command, what: &str) -> anyhow::Result<String> {
    let program = what.split(' ').next().unwrap_or(what);
    printed(command, what).await?.with_context(|| {
        format!("there is no {program} on the PATH: install it, or print the manifests with another tool and read them with -f -")
    })
}

/// The same. None if there is no such program.
async fn printed(mut command: Command, what: &str) -> anyhow::Result<Option<String>> {
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot run {what}")),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        bail!("{what} ended with {}: {}", output.status, said.join(" "));
    }
    let text = String::from_utf8(output.stdout);
    text.map(Some).with_context(|| format!("{what} printed text that is not UTF-8"))
}

/// The file, or the files with manifests in a folder.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !found.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let is_manifest = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        path.is_file() && matches!(extension, Some("yaml" | "yml" | "json"))
    };
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_manifest).collect();
    files.sort();
    ensure!(!files.is_empty(), "the folder {} has no file .yaml, .yml or .json", path.display());
    Ok(files)
}

fn text(from: impl Read, name: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    from.take(MOST_BYTES).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    Ok(text)
}
