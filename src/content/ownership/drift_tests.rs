use super::*;
use serde_json::json;

const WRITTEN: &str = "2026-11-02T09:00:00Z";
const LATER: &str = "2026-11-02T10:00:00Z";
const EARLIER: &str = "2026-11-02T08:00:00Z";

/// The manifest of which each case changes something after it was written.
fn web() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop-prod", "labels": {"app": "web", "team.example/name": "shop"},
            "annotations": {"note": "one"},
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{
                        "name": "app", "image": "shop:1", "args": ["--verbose"],
                        "env": [{"name": "MODE", "value": "fast"}],
                        "ports": [{"containerPort": 80}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}},
                    }],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    })
}

/// What the API server records for the manifest.
fn own() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}, "f:team.example/name": {}}, "f:annotations": {"f:note": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:containers": {"k:{\"name\":\"app\"}": {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                        "f:env": {"k:{\"name\":\"MODE\"}": {".": {}, "f:name": {}, "f:value": {}}},
                        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                        "f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}},
                    }},
                    "f:volumes": {"k:{\"name\":\"tmp\"}": {".": {}, "f:name": {}, "f:emptyDir": {}}},
                },
            },
        },
    })
}

fn entry(manager: &str, operation: &str, time: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "time": time, "apiVersion": "apps/v1", "fieldsV1": fields})
}

/// A live object, and what each manager owns of it.
struct Live {
    object: Value,
    own: Value,
    others: Vec<Value>,
}

const APP: &str = "/spec/template/spec/containers/0";
const OWN_APP: &str = "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"app\"}";

impl Live {
    /// As Towpath wrote it, completed by the API server.
    fn written() -> Self {
        let mut object = web();
        object["spec"]["strategy"] = json!({"type": "RollingUpdate"});
        object["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        let app = object.pointer_mut(APP).unwrap();
        app["imagePullPolicy"] = json!("Always");
        app["ports"][0]["protocol"] = json!("TCP");
        app["resources"]["limits"]["cpu"] = json!("1");
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
        Self { object, own: own(), others: Vec::new() }
    }

    fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.object.pointer_mut(parent).unwrap()[name.replace("~1", "/")] = value;
        self
    }

    fn unset(mut self, pointer: &str) -> Self {
        remove(&mut self.object, pointer);
        self
    }

    /// Our entry loses a field, as it does when another manager changes or removes it.
    fn lost(mut self, pointer: &str) -> Self {
        remove(&mut self.own, pointer);
        let mut parent = pointer;
        // A field set has no empty nodes but those of fields.
        while let Some((above, _)) = parent.rsplit_once('/') {
            parent = above;
            if self.own.pointer(parent).is_some_and(|node| node.as_object().unwrap().is_empty()) {
                remove(&mut self.own, parent);
            }
        }
        self
    }

    fn by(mut self, manager: &str, time: &str, fields: Value) -> Self {
        self.others.push(entry(manager, "Update", time, fields));
        self
    }

    fn through(mut self, subresource: &str, manager: &str, fields: Value) -> Self {
        let mut entry = entry(manager, "Update", LATER, fields);
        entry["subresource"] = json!(subresource);
        self.others.push(entry);
        self
    }

    fn drift(&self) -> Vec<Drift> {
        let mut object = self.object.clone();
        let ours = entry("towpath", "Apply", WRITTEN, self.own.clone());
        let all: Vec<&Value> = std::iter::once(&ours).chain(&self.others).collect();
        object["metadata"]["managedFields"] = json!(all);
        drift(&object, &web(), "towpath", 20)
    }

    /// Field, manager, and a minus sign in front of a field that was removed.
    fn said(&self) -> Vec<String> {
        let text = |one: Drift| {
            let sign = if one.is_removed { "-" } else { "" };
            format!("{sign}{} {}", one.field, one.manager.unwrap_or_default())
        };
        self.drift().into_iter().map(text).collect()
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap();
    let name = name.replace("~1", "/");
    if let Value::Array(items) = parent {
        drop(items.remove(name.parse().unwrap()));
    } else {
        drop(parent.as_object_mut().unwrap().remove(&name).unwrap());
    }
}

fn container(fields: Value) -> Value {
    json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": fields}}}}})
}

fn label(name: &str) -> Value {
    json!({"f:metadata": {"f:labels": {format!("f:{name}"): {}}}})
}

#[test]
fn a_field_that_another_manager_changed_or_removed_has_drifted() {
    let app = |path: &str| format!("{APP}/{path}");
    let own_app = |path: &str| format!("{OWN_APP}/{path}");
    let other = |fields| Live::written().by("someone", LATER, fields);
    for (what, live, expected) in [
        (
            "kubectl set image",
            Live::written().set(&app("image"), json!("shop:hotfix")).lost(&own_app("f:image")).by(
                "kubectl-set",
                LATER,
                container(json!({"f:image": {}})),
            ),
            vec!["spec.template.spec.containers[app].image kubectl-set"],
        ),
        (
            "kubectl edit: a value inside a list",
            other(container(json!({"f:env": {"k:{\"name\":\"MODE\"}": {"f:value": {}}}})))
                .set(&app("env/0/value"), json!("slow"))
                .lost(&own_app("f:env/k:{\"name\":\"MODE\"}/f:value")),
            vec!["spec.template.spec.containers[app].env[MODE].value someone"],
        ),
        (
            "an atomic list",
            other(container(json!({"f:args": {}})))
                .set(&app("args"), json!(["--quiet"]))
                .lost(&own_app("f:args")),
            vec!["spec.template.spec.containers[app].args someone"],
        ),
        (
            "a list item was removed, which leaves no entry",
            Live::written().unset(&app("env")).lost(&own_app("f:env")),
            vec!["-spec.template.spec.containers[app].env "],
        ),
        (
            "a list item was removed by a manager that changed something else",
            other(label("other")).unset(&app("env/0")).lost(&own_app("f:env/k:{\"name\":\"MODE\"}")),
            vec!["-spec.template.spec.containers[app].env[MODE] someone"],
        ),
        (
            "the manager that changed something before the write did not remove it",
            Live::written()
                .by("kubectl", EARLIER, label("other"))
                .unset(&app("args"))
                .lost(&own_app("f:args")),
            vec!["-spec.template.spec.containers[app].args "],
        ),
        (
            "a label was removed",
            Live::written()
                .unset("/metadata/labels/team.example~1name")
                .lost("/f:metadata/f:labels/f:team.example~1name"),
            vec!["-metadata.labels[team.example/name] "],
        ),
        (
            "a label was changed, and an annotation as well",
            other(json!({"f:metadata": {"f:labels": {"f:app": {}}, "f:annotations": {"f:note": {}}}}))
                .set("/metadata/labels/app", json!("web2"))
                .set("/metadata/annotations/note", json!("two"))
                .lost("/f:metadata/f:labels/f:app")
                .lost("/f:metadata/f:annotations"),
            vec!["metadata.annotations.note someone", "metadata.labels.app someone"],
        ),
        (
            "a quantity",
            other(container(json!({"f:resources": {"f:limits": {"f:cpu": {}}}})))
                .set(&app("resources/limits/cpu"), json!("2"))
                .lost(&own_app("f:resources/f:limits/f:cpu")),
            vec!["spec.template.spec.containers[app].resources.limits.cpu someone"],
        ),
        (
            "a port, whose key the API server completed",
            other(label("other")).unset(&app("ports")).lost(&own_app("f:ports")),
            vec!["-spec.template.spec.containers[app].ports someone"],
        ),
        (
            "the whole container has another owner",
            other(container(json!({".": {}, "f:name": {}, "f:image": {}, "f:args": {}})))
                .set(&app("image"), json!("shop:2"))
                .lost("/f:spec/f:template/f:spec"),
            vec!["spec.template.spec.containers[app].image someone"],
        ),
    ] {
        assert_eq!(live.said(), expected, "{what}");
    }
}

#[test]
fn what_towpath_did_not_write_and_what_has_the_written_value_has_not_drifted() {
    let app = |path: &str| format!("{APP}/{path}");
    let own_app = |path: &str| format!("{OWN_APP}/{path}");
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let restarted = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    let sidecar = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"proxy\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
    for (what, live) in [
        ("nothing was changed, and the API server filled in defaults", Live::written()),
        (
            "an autoscaler scales it",
            Live::written().set("/spec/replicas", json!(9)).lost("/f:spec/f:replicas").through(
                "scale",
                "kube-controller-manager",
                replicas.clone(),
            ),
        ),
        (
            "a person scales it with an edit",
            Live::written().set("/spec/replicas", json!(0)).lost("/f:spec/f:replicas").by(
                "kubectl-edit",
                LATER,
                replicas,
            ),
        ),
        (
            "kubectl rollout restart",
            Live::written()
                .set(
                    "/spec/template/metadata/annotations",
                    json!({"kubectl.kubernetes.io/restartedAt": "2026"}),
                )
                .by("kubectl-rollout", LATER, restarted),
        ),
        (
            "kubectl rollout pause, which the manifest does not mention",
            Live::written().set("/spec/paused", json!(true)).by(
                "kubectl-rollout",
                LATER,
                json!({"f:spec": {"f:paused": {}}}),
            ),
        ),
        ("another manager added a container", {
            let mut live = Live::written().by("injector", LATER, sidecar);
            let containers = live.object.pointer_mut("/spec/template/spec/containers").unwrap();
            containers.as_array_mut().unwrap().push(json!({"name": "proxy", "image": "proxy:1"}));
            live
        }),
        (
            "another manager added a label and an annotation",
            Live::written().set("/metadata/labels/cattle.io~1creator", json!("x")).by(
                "rancher",
                LATER,
                label("cattle.io/creator"),
            ),
        ),
        (
            "another manager applies the same value, so both own it",
            Live::written().by("gitops", LATER, container(json!({"f:image": {}}))),
        ),
        (
            "it was changed and set back",
            Live::written().lost(&own_app("f:image")).by(
                "kubectl-set",
                LATER,
                container(json!({"f:image": {}})),
            ),
        ),
        (
            "a quantity was set back, and is stored in another form",
            Live::written().lost(&own_app("f:resources/f:limits/f:cpu")).by(
                "kubectl-set",
                LATER,
                container(json!({"f:resources": {"f:limits": {"f:cpu": {}}}})),
            ),
        ),
        (
            "the API server or a webhook stores another value of what is ours",
            Live::written().set(&app("image"), json!("mirror.example/shop:1")),
        ),
        (
            "a list that is ours has another order",
            Live::written().set(&app("args"), json!(["-v", "--verbose"])),
        ),
        (
            "a container was reordered and set back in full",
            Live::written().lost("/f:spec/f:template").by("helm", LATER, own()),
        ),
    ] {
        assert_eq!(live.said(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn managed_fields_that_say_nothing_of_our_manager_are_no_drift() {
    let mut object = web();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop:2");
    for managed in [
        json!(null),
        json!([]),
        json!("nonsense"),
        json!([{"manager": "towpath"}]),
        json!([entry("kubectl-set", "Update", LATER, container(json!({"f:image": {}})))]),
    ] {
        object["metadata"]["managedFields"] = managed.clone();
        assert_eq!(drift(&object, &web(), "towpath", 20), [], "{managed}");
    }
    let mut other_version = entry("towpath", "Apply", WRITTEN, json!({}));
    other_version["apiVersion"] = json!("apps/v1beta1");
    object["metadata"]["managedFields"] =
        json!([other_version, entry("kubectl-set", "Update", LATER, container(json!({"f:image": {}})))]);
    assert_eq!(drift(&object, &web(), "towpath", 20), [], "field paths of another version");
}

#[test]
fn drift_says_since_when_and_is_bounded() {
    let live = Live::written()
        .set("/metadata/labels/app", json!("x"))
        .set("/metadata/annotations/note", json!("x"))
        .lost("/f:metadata")
        .by("first", EARLIER, label("app"))
        .by(
            "second",
            LATER,
            json!({"f:metadata": {"f:labels": {"f:app": {}}, "f:annotations": {"f:note": {}}}}),
        );
    let found = live.drift();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|one| one.manager.as_deref() == Some("second")));
    assert_eq!(found[0].since, Some(LATER.parse().unwrap()));
    let mut object = live.object.clone();
    let ours = entry("towpath", "Apply", WRITTEN, live.own.clone());
    object["metadata"]["managedFields"] = json!([ours, live.others[1]]);
    assert_eq!(drift(&object, &web(), "towpath", 1).len(), 1);
}
