//! Situations on a real node: every image of the data becomes one of the node's registry, and every pod is placed there.

use super::objects::template;
use crate::installation::real_node;
use crate::objects::Object;
use crate::project::{Project, merge};
use anyhow::{Context, Result};
use control_plane::{Image, placed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The environment of the images, by tag: what `tests/cluster/node/app` does with it is in `fate.go`.
pub type Images = BTreeMap<String, BTreeMap<String, String>>;

/// The same objects for the real node. A project has a repository of its own, so a tag means one image.
pub async fn on_real_node(project: &Project, images: &Images, objects: Vec<Object>) -> Result<Vec<Object>> {
    let mut real = Vec::new();
    for mut object in objects {
        if let Some(template) = template(&mut object) {
            let mut spec = placed();
            spec["terminationGracePeriodSeconds"] = json!(1);
            merge(&mut template["spec"], &spec);
            for list in ["containers", "initContainers"] {
                for container in template["spec"][list].as_array_mut().into_iter().flatten() {
                    furnish(project, images, container).await?;
                }
            }
        }
        real.push(object);
    }
    Ok(real)
}

async fn furnish(project: &Project, images: &Images, container: &mut Value) -> Result<()> {
    let name = container["image"].as_str().context("a container without an image")?;
    let tag = name.rsplit(':').next().unwrap_or_default();
    let image = Image::of(&project.name, tag);
    let image =
        images.get(tag).into_iter().flatten().fold(image, |image, (name, value)| image.with(name, value));
    real_node().await?.push(&image).await?;
    container["image"] = json!(image.name());
    // What ends by itself serves nothing that could be asked.
    if container["args"].is_null() && container["readinessProbe"].is_null() {
        container["readinessProbe"] = json!({ "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1, "timeoutSeconds": 10 });
    }
    if container["resources"].is_null() {
        container["resources"] = json!({ "limits": { "memory": "32Mi" } });
    }
    Ok(())
}
