//! Images made on the spot: one layer that holds the tests' application, and the environment that makes an edition of it.
//!
//! Formats: the OCI image specification 1.1 and POSIX ustar.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::REGISTRY;
use super::http::{Reply, Request};
use super::network::Network;

const LIMIT: Duration = Duration::from_secs(30);
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const BYTES: &str = "application/octet-stream";

/// An edition of the tests' application (`node/app`).
#[derive(Clone, Debug)]
pub struct Image {
    repository: String,
    tag: String,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
}

impl Image {
    /// One that serves and says its tag for a version.
    pub fn of(repository: &str, tag: &str) -> Self {
        Self {
            repository: repository.into(),
            tag: tag.into(),
            environment: BTreeMap::from([("VERSION".into(), tag.into())]),
            arguments: Vec::new(),
        }
    }

    /// With a variable that decides how it fares: see `node/app/fate.go`.
    #[must_use]
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.environment.insert(variable.into(), value.into());
        self
    }

    /// With other arguments than to serve.
    #[must_use]
    pub fn running(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    /// How a manifest names it.
    pub fn name(&self) -> String {
        format!("{REGISTRY}/{}:{}", self.repository, self.tag)
    }

    pub(super) fn push(&self, network: &Network, binary: &Binary) -> Result<String> {
        let Parts { config, manifest } = self.parts(binary)?;
        let registry = Registry { network, repository: &self.repository };
        registry.upload(&binary.layer, &binary.digest)?;
        registry.upload(&config, &digest(&config))?;
        registry.expect(201, &Request::new("PUT", &self.path(), MANIFEST, &manifest))?;
        Ok(format!("{REGISTRY}/{}@{}", self.repository, digest(&manifest)))
    }

    /// The image as a file, in the layout of the OCI.
    pub(super) fn archive(&self, binary: &Binary) -> Result<Vec<u8>> {
        let Parts { config, manifest } = self.parts(binary)?;
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": MANIFEST, "digest": digest(&manifest), "size": manifest.len(),
                "annotations": { "io.containerd.image.name": self.name() },
            }],
        }))?;
        let layout = serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?;
        let blob = |content: &[u8]| format!("blobs/{}", digest(content).replace(':', "/"));
        let files: [(String, &[u8]); 5] = [
            ("oci-layout".into(), &layout),
            ("index.json".into(), &index),
            (blob(&manifest), &manifest),
            (blob(&config), &config),
            (blob(&binary.layer), &binary.layer),
        ];
        Ok(archive(&files))
    }

    fn parts(&self, binary: &Binary) -> Result<Parts> {
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let config = serde_json::to_vec(&json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": ["/app"], "Cmd": self.arguments, "Env": environment,
                // No two repositories hold the same content: pods would report it under either name.
                "Labels": { "org.opencontainers.image.title": self.repository },
            },
            "rootfs": { "type": "layers", "diff_ids": [binary.digest] },
        }))?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest(&config), "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": binary.digest, "size": binary.layer.len() }],
        }))?;
        Ok(Parts { config, manifest })
    }

    fn path(&self) -> String {
        format!("/v2/{}/manifests/{}", self.repository, self.tag)
    }
}

/// What of an image is not its layer.
struct Parts {
    config: Vec<u8>,
    manifest: Vec<u8>,
}

struct Registry<'a> {
    network: &'a Network,
    repository: &'a str,
}

impl Registry<'_> {
    fn upload(&self, content: &[u8], digest: &str) -> Result<()> {
        let path = format!("/v2/{}/blobs/{digest}", self.repository);
        if self.send(&Request::new("HEAD", &path, "", &[]))?.status == 200 {
            return Ok(());
        }
        let uploads = format!("/v2/{}/blobs/uploads/", self.repository);
        let begun = self.expect(202, &Request::new("POST", &uploads, "", &[]))?;
        let place = begun.header("Location").context("the registry names no place for an upload")?;
        let place = place.trim_start_matches("http://").trim_start_matches(REGISTRY);
        let path = format!("{place}&digest={digest}");
        self.expect(201, &Request::new("PUT", &path, BYTES, content)).map(drop)
    }

    fn expect(&self, status: u16, request: &Request<'_>) -> Result<Reply> {
        let reply = self.send(request)?;
        ensure!(reply.status == status, "the registry answers {}: {}", reply.status, reply.body);
        Ok(reply)
    }

    fn send(&self, request: &Request<'_>) -> Result<Reply> {
        let address: SocketAddr = REGISTRY.parse().context("the registry's address is none")?;
        request.send(self.network, address, LIMIT)
    }
}

/// The application as a layer.
pub(super) struct Binary {
    layer: Vec<u8>,
    digest: String,
}

impl Binary {
    pub fn read(path: &Path) -> Result<Self> {
        let program = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let layer = archive(&[("app".into(), &program)]);
        let digest = digest(&layer);
        Ok(Self { layer, digest })
    }
}

/// A tar file of executables.
fn archive(files: &[(String, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend(header(name, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn header(name: &str, size: usize) -> [u8; 512] {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    // The sum is taken with blanks in its own place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    format!("sha256:{}", sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// As Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
