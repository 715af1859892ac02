//! The digests of images, as kubelets report them. An image is pinned only if all Ready pods report the same digest.

use crate::api::PinnedImage;
use crate::cluster::slim::Pod;
use crate::content::ObjectSet;
use crate::content::capture::images::{images, pin_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The images of a content, and their pinned forms.
pub fn pins(content: &ObjectSet, pods: &[Arc<Pod>]) -> Vec<PinnedImage> {
    let mut reported: BTreeMap<&str, BTreeSet<Option<String>>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.is_ready() && !pod.metadata.is_terminating()) {
        for container in &pod.containers {
            let pin = pin_of(&container.spec_image, &container.image_id);
            reported.entry(&container.spec_image).or_default().insert(pin);
        }
    }
    images(content).into_iter().map(|image| pinned_image(&image, reported.get(image.as_str()))).collect()
}

fn pinned_image(image: &str, reported: Option<&BTreeSet<Option<String>>>) -> PinnedImage {
    let unpinned =
        |reason: &str| PinnedImage { image: image.to_owned(), pinned: None, reason: Some(reason.to_owned()) };
    if image.contains("@sha256:") {
        return PinnedImage { image: image.to_owned(), pinned: Some(image.to_owned()), reason: None };
    }
    match reported {
        None => unpinned("no Ready pod runs it"),
        Some(pins) if pins.len() > 1 => unpinned("the Ready pods that run it report different digests"),
        Some(pins) => match pins.first() {
            Some(Some(pin)) => {
                PinnedImage { image: image.to_owned(), pinned: Some(pin.clone()), reason: None }
            }
            Some(None) | None => unpinned("the kubelet reports no digest of its repository"),
        },
    }
}
