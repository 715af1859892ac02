//! What a release captures from its manifests, with every image pinned.

use towpath::api::{KindRef, PinnedImage, Release};
use towpath::content::capture::images::images;
use towpath::content::{Digested, ObjectSet, manifests};
use towpath::decide::world::Capture;

pub fn capture(release: &Release, kinds: &[KindRef]) -> Capture {
    let objects = release.spec.source.manifests.clone().unwrap_or_default();
    let content = ObjectSet::new(manifests::inline(&objects).unwrap(), kinds, None).unwrap();
    let pinned = |image: String| PinnedImage { pinned: Some(image.clone()), image, reason: None };
    let images = images(&content).into_iter().map(pinned).collect();
    let sealed = Digested::of(content).unwrap().seal(&release.spec.application).unwrap();
    Capture::Taken { sealed, images }
}
