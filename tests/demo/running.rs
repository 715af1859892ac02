//! What a namespace runs, to be compared: the images of its workloads, and the config that their pods see.

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// By workload and aspect (`web`, `image`): its name, and a digest of what is in it.
pub type Running = BTreeMap<(String, &'static str), (String, String)>;

/// Looks at a namespace.
pub async fn look(client: &Client, namespace: &str) -> Result<Running> {
    let all = ListParams::default();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace).list(&all).await?;
    let maps: BTreeMap<String, ConfigMap> = maps.into_iter().map(|map| (map.name_any(), map)).collect();
    let mut running = Running::new();
    for deployment in Api::<Deployment>::namespaced(client.clone(), namespace).list(&all).await? {
        add(&mut running, &deployment.name_any(), deployment.spec.template.spec, &maps);
    }
    for set in Api::<StatefulSet>::namespaced(client.clone(), namespace).list(&all).await? {
        add(&mut running, &set.name_any(), set.spec.template.spec, &maps);
    }
    Ok(running)
}

fn add(running: &mut Running, workload: &str, pod: Option<PodSpec>, maps: &BTreeMap<String, ConfigMap>) {
    let Some(pod) = pod else { return };
    let images: Vec<String> =
        pod.containers.iter().filter_map(|container| container.image.as_deref()).map(short_image).collect();
    running.insert((workload.to_owned(), "image"), (images.join(", "), String::new()));
    let volumes =
        pod.volumes.iter().flatten().filter_map(|volume| Some(volume.config_map.as_ref()?.name.clone()));
    let sources = pod.containers.iter().flat_map(|container| container.env_from.iter().flatten());
    let sources = sources.filter_map(|source| Some(source.config_map_ref.as_ref()?.name.clone()));
    let names: BTreeSet<String> = volumes.chain(sources).collect();
    let data: String = names.iter().map(|name| data(maps.get(name))).collect();
    running.insert((workload.to_owned(), "config"), (names.into_iter().collect::<Vec<_>>().join(", "), data));
}

/// `whoami:v1.10`, `whoami@88d5aab`.
fn short_image(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@{}", digest.get(..7).unwrap_or(digest)),
        None => name.to_owned(),
    }
}

/// A digest of what is in it.
fn data(map: Option<&ConfigMap>) -> String {
    let Some(map) = map else { return "missing".to_owned() };
    let mut hash = Sha256::new();
    for (key, value) in map.data.iter().flatten() {
        hash.update(format!("{}:{key}{}:{value}", key.len(), value.len()));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The three side by side; what differs from the first stands out.
pub fn side_by_side(titles: [&str; 3], states: [&Running; 3]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let title = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    table.set_header([title(""), title(""), title(titles[0]), title(titles[1]), title(titles[2])]);
    let keys: BTreeSet<_> = states.iter().flat_map(|state| state.keys()).collect();
    let nothing = (String::from("-"), String::new());
    let mut last = "";
    for key in keys {
        let [first, second, third] = states.map(|state| state.get(key).unwrap_or(&nothing));
        let cell = |state: &(String, String), same: Color, other: Color| {
            Cell::new(&state.0).fg(if state == first { same } else { other })
        };
        let back = if second == first { Color::Reset } else { Color::Green };
        let workload = if key.0 == last { "" } else { &key.0 };
        last = &key.0;
        table.add_row([
            Cell::new(workload),
            Cell::new(key.1),
            Cell::new(&first.0),
            cell(second, Color::Reset, Color::Yellow),
            cell(third, back, Color::Red),
        ]);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}
