//! `cut`: makes a Release, and prints it or creates it.

mod change;
mod sources;

use crate::api::names::{LABEL_RULE, SUBDOMAIN_RULE, is_label, is_subdomain};
use crate::api::{
    Environment, EnvironmentSource, ImageOverride, KindRef, Release, ReleaseSpec, Requirement, Source,
};
use crate::cli::connection::Connection;
use crate::cli::writer::Writer;
use crate::user::reader::Reader;
use crate::view::intent::cut;
use crate::view::manifests::{admitted, objects};
use crate::view::suggestion::suggestion;
use anyhow::ensure;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

/// Bytes of a Release. etcd takes 1.5 MiB per object, and the API server adds who wrote which field.
const MOST_BYTES: usize = 1_200_000;

/// Make a Release of an application: from an environment, or from manifests. It is printed, or created with --apply.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the application.
    application: String,
    /// Version of the application.
    #[arg(id = "of-application", value_name = "VERSION")]
    version: String,
    /// Name of the Release. Default: the application and the version, in lower case.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    source: sources::From,
    #[command(flatten)]
    values: sources::Values,
    /// Label of the objects to capture with --from, as KEY=VALUE. Can be repeated. Default: every object.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "from")]
    selector: Vec<(String, String)>,
    /// Image that replaces an image of the source, as NAME=IMAGE. Can be repeated.
    #[arg(long, value_name = "NAME=IMAGE", value_parser = pair)]
    image: Vec<(String, String)>,
    /// Last environment that the release may be promoted to.
    #[arg(long, value_name = "ENVIRONMENT")]
    until: Option<String>,
    /// Application that the release needs, and its oldest version that works, as APPLICATION=VERSION. Can be repeated.
    #[arg(long, value_name = "APPLICATION=VERSION", value_parser = pair)]
    requires: Vec<(String, String)>,
    /// Hold the release: no promotion of it starts before the hold is lifted.
    #[arg(long)]
    hold: bool,
    #[command(flatten)]
    change: change::Described,
    /// Create the Release.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Shown,
}

/// The format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
    /// The name, as `release/name`.
    Name,
}

/// `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it with an equals sign between the two, as in NAME=VALUE".to_owned()),
    }
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let name = named(arguments)?;
    let source = source(arguments).await?;
    let change = arguments.change.complete()?;
    let image = |(name, image)| ImageOverride { name, image };
    let requirement =
        |(application, version): (String, String)| Requirement { application: application.into(), version };
    let spec = ReleaseSpec {
        application: arguments.application.as_str().into(),
        version: arguments.version.clone(),
        source,
        images: arguments.image.iter().cloned().map(image).collect(),
        until: arguments.until.as_deref().map(Into::into),
        change,
        requires: arguments.requires.iter().cloned().map(requirement).collect(),
        requested_by: None,
        hold: arguments.hold.then_some(true),
    };
    let mut release = Release::new(&name, spec);
    let bytes = serde_json::to_vec(&release)?.len();
    ensure!(
        bytes <= MOST_BYTES,
        "the Release has {bytes} bytes, and an API server takes about {MOST_BYTES}: move large data out of ConfigMaps, \
         or split the application"
    );
    if arguments.apply {
        let writer = Writer::open(&arguments.connection).await?;
        let intent = cut(writer.request(None), release.clone());
        check(&writer.reader, &release).await?;
        writer.written(&intent).await?;
        if arguments.output != Shown::Name {
            writeln!(out, "release/{name} created")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    release.metadata.namespace = arguments.connection.namespace().map(str::to_owned);
    match arguments.output {
        Shown::Name => writeln!(out, "release/{name}")?,
        Shown::Json => writeln!(out, "{}", serde_json::to_string_pretty(&manifest(&release)?)?)?,
        Shown::Yaml => out.write_all(serde_yaml::to_string(&manifest(&release)?)?.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of the Release.
fn named(arguments: &Arguments) -> anyhow::Result<String> {
    let (application, version) = (&arguments.application, &arguments.version);
    ensure!(is_label(application), "{application:?} is not the name of an application: {LABEL_RULE}");
    let is_valid = |character: char| character.is_ascii_alphanumeric() || "._+-".contains(character);
    let starts = version.starts_with(|first: char| first.is_ascii_alphanumeric());
    ensure!(
        starts && version.len() <= 64 && version.chars().all(is_valid),
        "{version:?} is not a version: it has at most 64 letters, digits, dots, underscores, plus signs and dashes, and starts with a \
         letter or digit"
    );
    let from_version = || {
        let safe = version.to_ascii_lowercase().replace(['_', '+'], "-");
        format!("{application}-{}", safe.trim_end_matches(['-', '.']))
    };
    let name = arguments.name.clone().unwrap_or_else(from_version);
    ensure!(
        is_subdomain(&name) && name.len() <= 200,
        "{name:?} cannot be the name of a Release ({SUBDOMAIN_RULE}): set another one with --name"
    );
    Ok(name)
}

async fn source(arguments: &Arguments) -> anyhow::Result<Source> {
    if let Some(environment) = &arguments.source.from {
        ensure!(is_label(environment), "{environment:?} is not the name of an environment: {LABEL_RULE}");
        let selector: BTreeMap<String, String> = arguments.selector.iter().cloned().collect();
        let environment = Some(EnvironmentSource { name: environment.as_str().into(), selector });
        return Ok(Source { environment, ..Source::default() });
    }
    let texts = arguments.source.read(&arguments.application, &arguments.values).await?;
    let objects = objects(&arguments.application, &texts)?;
    ensure!(
        !objects.is_empty(),
        "there is no object in {}: name the files that hold the manifests",
        texts.keys().cloned().collect::<Vec<_>>().join(", ")
    );
    Ok(Source { manifests: Some(objects), ..Source::default() })
}

/// Whether the environments that the release names exist, and whether one of the project may hold each object.
async fn check(reader: &Reader, release: &Release) -> anyhow::Result<()> {
    let environments = reader.list::<Environment>("").await?;
    let names: Vec<String> =
        environments.iter().filter_map(|environment| environment.metadata.name.clone()).collect();
    let spec = &release.spec;
    let of_change =
        spec.change.iter().flat_map(|change| &change.not_before).map(|it| it.environment.as_str());
    let from = spec.source.environment.iter().map(|source| source.name.as_str());
    for name in from.chain(spec.until.as_deref()).chain(of_change) {
        let is_known = names.iter().any(|known| known == name);
        ensure!(
            is_known,
            "namespace {} has no environment {name}{}",
            reader.project,
            suggestion(name, &names)
        );
    }
    let kinds: Vec<KindRef> =
        environments.into_iter().flat_map(|environment| environment.spec.kinds).collect();
    let manifests = spec.source.manifests.clone().unwrap_or_default();
    Ok(admitted(manifests, &kinds)?)
}

/// The Release as a manifest: what the API server fills in is left out.
fn manifest(release: &Release) -> anyhow::Result<Value> {
    let mut value = json!({ "apiVersion": "towpath.dev/v1alpha1", "kind": "Release" });
    let whole = serde_json::to_value(release)?;
    for field in ["metadata", "spec"] {
        value[field] = whole[field].clone();
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
