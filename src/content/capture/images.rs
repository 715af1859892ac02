//! Lists, replaces and pins the images in the pod templates of a content, those of custom kinds included.
//!
//! The parser is our own: it accepts any text and keeps names as they are written. The `Reference` of oci-spec adds `latest` to a name
//! without a tag, expands short names, and rejects what a kubelet may report.

use crate::api::ImageOverride;
use crate::content::error::{ContentError, quoted};
use crate::content::object::paths;
use crate::content::object::paths::JsonPath;
use crate::content::object::set::ObjectSet;
use crate::content::object::templates::{pod_template_mut, pod_templates};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Paths of the images in a pod template.
const IMAGES: [JsonPath; 4] = [
    &["spec", "initContainers", "*", "image"],
    &["spec", "containers", "*", "image"],
    &["spec", "ephemeralContainers", "*", "image"],
    &["spec", "volumes", "*", "image", "reference"],
];

/// The images of a content, as written.
pub fn images(set: &ObjectSet) -> BTreeSet<String> {
    pod_templates(set.values())
        .flat_map(|template| paths::all(template, &IMAGES))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Replaces images. Every override must match an image; otherwise the release would run an image that its author did not ask for.
pub fn replace_images(set: &ObjectSet, overrides: &[ImageOverride]) -> Result<ObjectSet, ContentError> {
    let invalid = |field: String, problem: String| ContentError::Image { field, problem };
    let present = images(set);
    let mut replacements: BTreeMap<String, &str> = BTreeMap::new();
    for (index, wanted) in overrides.iter().enumerate() {
        let field = format!("spec.images[{index}]");
        let name = Reference::parse(&wanted.name);
        if name.tag.is_some() || name.digest.is_some() || !is_reference(&wanted.name) {
            let problem = format!(
                "{} is not the name of an image: remove the tag and the digest",
                quoted(&wanted.name)
            );
            return Err(invalid(format!("{field}.name"), problem));
        }
        let image = Reference::parse(&wanted.image);
        if (image.tag.is_none() && image.digest.is_none()) || !is_reference(&wanted.image) {
            let problem = format!(
                "{} has no tag and no digest, or is not an image: write it as repository:tag or repository@sha256:...",
                quoted(&wanted.image)
            );
            return Err(invalid(format!("{field}.image"), problem));
        }
        if !present.iter().any(|image| repository(image) == repository(&wanted.name)) {
            let problem = format!(
                "no container of the release uses the image {}: correct the name, or remove the entry",
                quoted(&wanted.name)
            );
            return Err(invalid(format!("{field}.name"), problem));
        }
        if replacements.insert(repository(&wanted.name), &wanted.image).is_some() {
            let problem = format!("{} is listed twice: remove one of the entries", quoted(&wanted.name));
            return Err(invalid(format!("{field}.name"), problem));
        }
    }
    Ok(rewritten(set, |image| replacements.get(&repository(image)).map(|image| (*image).to_owned())))
}

/// Pins images. `pins` maps an image as written to `repository@sha256:...`.
pub fn pin(set: &ObjectSet, pins: &BTreeMap<String, String>) -> ObjectSet {
    rewritten(set, |image| pins.get(image).cloned())
}

/// The pinned form of an image, from the `imageID` that the kubelet reports. None without the digest of a repository: a bare
/// `sha256:...` is the id of an image's config, which cannot be pulled.
///
/// Also none when the kubelet reports another repository. It may report either of two repositories with equal images, and the
/// environments may not have the right to pull from the other one.
pub fn pin_of(image_in_spec: &str, image_id: &str) -> Option<String> {
    let spec = Reference::parse(image_in_spec);
    if let Some(digest) = spec.digest {
        return is_digest(digest).then(|| format!("{}@{digest}", spec.name));
    }
    let id = image_id.strip_prefix("docker-pullable://").unwrap_or(image_id);
    let pulled = Reference::parse(id);
    let digest = pulled.digest.filter(|digest| is_digest(digest))?;
    if !is_reference(id) || pulled.name.is_empty() {
        return None;
    }
    (repository(spec.name) == repository(pulled.name)).then(|| format!("{}@{digest}", spec.name))
}

/// The full name of an image without tag and digest: `nginx:1` is `docker.io/library/nginx`.
pub fn repository(image: &str) -> String {
    let name = Reference::parse(image).name;
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        Some(_) | None => ("docker.io", name),
    };
    match registry {
        "docker.io" | "index.docker.io" if !path.contains('/') => format!("docker.io/library/{path}"),
        "index.docker.io" => format!("docker.io/{path}"),
        _ => format!("{registry}/{path}"),
    }
}

/// The parts of an image reference. Any text has a name.
struct Reference<'a> {
    name: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(image: &'a str) -> Self {
        let (rest, digest) = match image.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (image, None),
        };
        // A slash follows the colon of a port.
        match rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) => Self { name, tag: Some(tag), digest },
            None => Self { name: rest, tag: None, digest },
        }
    }
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Whether the text has only characters of image references, so that it is safe in logs and messages.
fn is_reference(image: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    image.starts_with(|c: char| c.is_ascii_alphanumeric()) && image.bytes().all(fits)
}

fn rewritten(set: &ObjectSet, image: impl Fn(&str) -> Option<String>) -> ObjectSet {
    let mut set = set.clone();
    for template in set.values_mut().filter_map(pod_template_mut) {
        paths::update_all(template, &IMAGES, |value| {
            if let Some(new) = value.as_str().and_then(&image) {
                *value = Value::String(new);
            }
        });
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(image: &str) -> ObjectSet {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {
                "containers": [{"name": "a", "image": image}],
                "initContainers": [{"name": "b", "image": "busybox:1"}],
                "volumes": [{"name": "m", "image": {"reference": "models.example.com/m:2"}}],
            }}},
        });
        ObjectSet::new([deployment], &[], None).unwrap()
    }

    fn replace(name: &str, image: &str) -> Result<ObjectSet, String> {
        let wanted = [ImageOverride { name: name.into(), image: image.into() }];
        replace_images(&content("r.example.com:5000/shop/web:1"), &wanted).map_err(|error| error.to_string())
    }

    #[test]
    fn the_same_repository_has_one_name() {
        for (image, full) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.25", "docker.io/library/nginx"),
            ("docker.io/nginx", "docker.io/library/nginx"),
            ("index.docker.io/library/nginx@sha256:x", "docker.io/library/nginx"),
            ("shop/web", "docker.io/shop/web"),
            ("localhost/web:1", "localhost/web"),
            ("r.example.com:5000/web", "r.example.com:5000/web"),
            ("r.example.com:5000/web:1@sha256:x", "r.example.com:5000/web"),
        ] {
            assert_eq!(repository(image), full, "{image}");
        }
    }

    #[test]
    fn images_are_replaced_by_name_whatever_their_tag() {
        let set = replace("r.example.com:5000/shop/web", "r.example.com:5000/shop/web:2").unwrap();
        assert!(images(&set).contains("r.example.com:5000/shop/web:2"));
        let set = replace("docker.io/library/busybox", "mirror.example.com/busybox:2").unwrap();
        assert!(images(&set).contains("mirror.example.com/busybox:2"));
        assert_eq!(images(&set).len(), 3);
    }

    #[test]
    fn an_entry_that_is_incomplete_or_matches_no_image_is_an_error() {
        for (name, image, says) in [
            ("shop/web", "shop/web:2", "spec.images[0].name: no container"),
            ("busybox:1", "busybox:2", "remove the tag and the digest"),
            ("busybox", "busybox", "spec.images[0].image"),
            ("busybox", "busy box:1", "spec.images[0].image"),
            ("busybox", "", "spec.images[0].image"),
        ] {
            let error = replace(name, image).unwrap_err();
            assert!(error.contains(says), "{error} lacks {says}");
        }
        let twice =
            ["busybox", "docker.io/busybox"].map(|n| ImageOverride { name: n.into(), image: "b:2".into() });
        assert!(replace_images(&content("a:1"), &twice).unwrap_err().to_string().contains("spec.images[1]"));
    }

    #[test]
    fn an_image_is_pinned_to_a_digest_that_can_be_pulled() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let other = format!("sha256:{}", "0b".repeat(32));
        for (spec, id, pinned) in [
            ("nginx:1", format!("docker.io/library/nginx@{digest}"), Some(format!("nginx@{digest}"))),
            ("nginx:1", format!("docker-pullable://nginx@{digest}"), Some(format!("nginx@{digest}"))),
            ("nginx:1", format!("mirror.example.com/nginx@{digest}"), None),
            ("r.io:5000/a/b:1", format!("r.io:5000/a/b@{digest}"), Some(format!("r.io:5000/a/b@{digest}"))),
            ("nginx:1", digest.clone(), None),
            ("nginx:1", format!("docker://{digest}"), None),
            ("nginx:1", String::new(), None),
            ("nginx:1", "nginx@sha256:0a".into(), None),
            ("nginx:1", format!("@{digest}"), None),
            ("nginx:1", format!("ngi nx@{digest}"), None),
        ] {
            assert_eq!(pin_of(spec, &id), pinned, "{spec} {id}");
        }
        let written = format!("nginx:1@{other}");
        assert_eq!(
            pin_of(&written, &format!("nginx@{digest}")),
            Some(format!("nginx@{other}")),
            "already pinned"
        );
    }

    #[test]
    fn pinning_changes_images_as_written_only() {
        let pins = BTreeMap::from([("a:1".to_owned(), "a@sha256:x".to_owned())]);
        let pinned = pin(&content("a:1"), &pins);
        assert!(images(&pinned).contains("a@sha256:x") && !images(&pinned).contains("a:1"));
        assert_eq!(pin(&content("a:2"), &pins), content("a:2"));
    }
}
