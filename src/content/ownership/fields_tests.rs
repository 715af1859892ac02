use super::*;

fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
    let mut entry = json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "time": "2026-11-01T00:00:00Z", "fieldsV1": fields,
    });
    if !subresource.is_empty() {
        entry["subresource"] = json!(subresource);
    }
    entry
}

fn live(entries: Vec<Value>) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "resourceVersion": "42", "managedFields": entries},
        "spec": {"replicas": 3},
    })
}

fn replicas() -> Value {
    json!({"f:spec": {"f:replicas": {}}})
}

fn image() -> Value {
    json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}}}})
}

fn adopted(live: &Value, from: &[&str]) -> Option<Vec<Value>> {
    let from: Vec<String> = from.iter().map(ToString::to_string).collect();
    let patch = adoption_patch(live, &Value::Null, &from, "towpath")?;
    let mut patched = live.clone();
    json_patch::patch(&mut patched, &patch).unwrap();
    assert_eq!(patched["spec"], live["spec"], "an adoption changes no field");
    Some(patched["metadata"]["managedFields"].as_array().unwrap().clone())
}

#[test]
fn replicas_are_ours_only_without_another_owner() {
    let ours = entry("towpath", "Apply", "", replicas());
    let autoscaler = entry("kube-controller-manager", "Update", "scale", replicas());
    let person = entry("kubectl-edit", "Update", "", replicas());
    for (entries, expected) in [
        (vec![ours.clone()], true),
        (vec![ours.clone(), entry("x", "Update", "", image())], true),
        (vec![ours.clone(), autoscaler.clone()], false),
        (vec![ours.clone(), person], false),
        (vec![autoscaler], false),
        (vec![entry("towpath", "Apply", "", image())], false),
        (vec![], false),
    ] {
        assert_eq!(only_ours(&live(entries.clone()), "towpath"), expected, "{entries:?}");
    }
    let scaled = live(vec![entry("kubectl", "Update", "scale", replicas()), ours]);
    let owners = replicas_owners(&scaled);
    assert_eq!(owners[0], Manager { name: "kubectl".into(), subresource: Some("scale".into()) });
    assert_eq!(owners.len(), 2);
    assert!(replicas_owners(&json!("nonsense")).is_empty());
}

#[test]
fn fields_move_from_the_named_managers_and_replicas_stay() {
    let mut both = image();
    both["f:spec"]["f:replicas"] = json!({});
    let other = entry("other", "Update", "", image());
    let status = entry("kubectl-client-side-apply", "Update", "status", json!({"f:status": {}}));
    let object =
        live(vec![entry("kubectl-client-side-apply", "Update", "", both), other.clone(), status.clone()]);
    let entries = adopted(&object, &["kubectl-client-side-apply"]).unwrap();
    assert_eq!(
        entries,
        [
            entry("kubectl-client-side-apply", "Update", "", replicas()),
            other,
            status,
            entry("towpath", "Apply", "", image()),
        ]
    );
}

#[test]
fn moved_fields_are_merged_with_those_that_are_ours() {
    let ours = entry("towpath", "Apply", "", json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}));
    let helm =
        entry("helm", "Apply", "", json!({"f:metadata": {"f:labels": {"f:b": {}}}, "f:spec": {"f:x": {}}}));
    let entries = adopted(&live(vec![helm, ours]), &["helm"]).unwrap();
    let merged = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b": {}}}, "f:spec": {"f:x": {}}});
    assert_eq!(entries, [entry("towpath", "Apply", "", merged)]);
}

#[test]
fn nothing_to_adopt_is_no_patch() {
    let scaled = entry("helm", "Update", "", replicas());
    let mut old = entry("helm", "Update", "", image());
    old["apiVersion"] = json!("apps/v1beta1");
    for (entries, from) in [
        (vec![], vec!["helm"]),
        (vec![entry("helm", "Update", "", image())], vec![]),
        (vec![entry("helm", "Update", "", image())], vec!["helm-controller"]),
        (vec![entry("helm", "Update", "status", image())], vec!["helm"]),
        (vec![scaled], vec!["helm"]),
        (vec![old], vec!["helm"]),
        (vec![entry("towpath", "Apply", "", image())], vec!["towpath"]),
    ] {
        assert_eq!(adopted(&live(entries.clone()), &from), None, "{entries:?} {from:?}");
    }
}

#[test]
fn adopting_twice_is_adopting_once() {
    let mut both = image();
    both["f:spec"]["f:replicas"] = json!({});
    let mut object = live(vec![entry("helm", "Update", "", both)]);
    object["metadata"]["managedFields"] = json!(adopted(&object, &["helm"]).unwrap());
    assert_eq!(adopted(&object, &["helm"]), None);
}

#[test]
fn the_patch_holds_only_for_the_object_as_it_was_read() {
    let object = live(vec![entry("helm", "Update", "", image())]);
    let patch = adoption_patch(&object, &Value::Null, &["helm".into()], "towpath").unwrap();
    let mut changed = object;
    changed["metadata"]["resourceVersion"] = json!("43");
    assert!(json_patch::patch(&mut changed, &patch).is_err());
}

#[test]
fn a_template_that_another_manager_changed_is_told_with_its_field() {
    let written = json!({"spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
        {"name": "app", "image": "shop:2", "ports": [{"containerPort": 80}]},
    ]}}}});
    let template = |fields: Value| json!({"f:spec": {"f:template": fields}});
    let containers = |fields: Value| json!({"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": fields}}});
    let ours = |fields| json!({"manager": "towpath", "operation": "Apply", "fieldsV1": template(containers(fields))});
    let at = |time: &str, name: &str, fields: Value| json!({"manager": name, "operation": "Update", "time": time, "fieldsV1": template(fields)});
    let theirs = |name: &str, fields: Value| at("2026-11-26T12:00:09Z", name, fields);
    let of = |entries: Vec<Value>| {
        let live = json!({"metadata": {"managedFields": entries}});
        let since = "2026-11-26T12:00:00Z".parse().unwrap();
        changed_template(&live, &written, "towpath", since).map(|changed| (changed.manager, changed.field))
    };
    let restarted = json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}});
    assert_eq!(of(vec![ours(json!({"f:image": {}})), theirs("kubectl-rollout", restarted)]), None);
    let shared = theirs("helm", containers(json!({".": {}, "f:image": {}})));
    assert_eq!(
        of(vec![ours(json!({"f:image": {}})), shared.clone()]),
        None,
        "both own it: the value is the same"
    );
    let image = "spec.template.spec.containers[app].image".to_owned();
    assert_eq!(of(vec![ours(json!({"f:name": {}})), shared]), Some(("helm".into(), image)));
    let port = theirs(
        "kubectl-edit",
        containers(json!({"f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {}}})),
    );
    let field = "spec.template.spec.containers[app].ports[80/TCP]".to_owned();
    assert_eq!(of(vec![ours(json!({"f:name": {}})), port]), Some(("kubectl-edit".into(), field)));
    let status = json!({"manager": "vpa", "subresource": "status", "fieldsV1": template(containers(json!({"f:image": {}})))});
    assert_eq!(of(vec![ours(json!({"f:name": {}})), status]), None);
    let added = containers(json!({"f:env": {"k:{\"name\":\"DEBUG\"}": {"f:value": {}}}}));
    let field = "spec.template.spec.containers[app].env[DEBUG].value".to_owned();
    assert_eq!(of(vec![theirs("kubectl-set", added.clone())]), Some(("kubectl-set".into(), field)));
    assert_eq!(of(vec![at("2026-11-26T11:59:59Z", "kubectl-set", added)]), None, "before the promotion");
}

#[test]
fn a_written_field_of_any_object_that_another_manager_took_is_told() {
    let written = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}, "data": {"GREETING": "hello"},
    });
    let entry = |name: &str, time: &str, fields: Value| json!({"manager": name, "operation": "Update", "time": time, "fieldsV1": fields});
    let after = |fields: Value| entry("kubectl-patch", "2026-11-26T12:00:09Z", fields);
    let of = |ours: Value, theirs: Value| {
        let ours = json!({"manager": "towpath", "operation": "Apply", "fieldsV1": ours});
        let live = json!({"metadata": {"managedFields": [ours, theirs]}});
        let since = "2026-11-26T12:00:00Z".parse().unwrap();
        changed_field(&live, &written, "towpath", since).map(|changed| changed.field)
    };
    let selector = || json!({"f:spec": {"f:selector": {}}});
    let port =
        json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}});
    let data = json!({"f:data": {".": {}, "f:GREETING": {}}});
    assert_eq!(of(json!({}), after(selector())).as_deref(), Some("spec.selector"));
    assert_eq!(of(json!({}), after(port)).as_deref(), Some("spec.ports[80/TCP].port"));
    assert_eq!(of(json!({}), after(data)).as_deref(), Some("data.GREETING"));
    assert_eq!(of(selector(), after(selector())), None, "both own it: the value is the same");
    assert_eq!(
        of(json!({}), entry("helm", "2026-11-26T11:59:59Z", selector())),
        None,
        "before the promotion"
    );
    assert_eq!(of(json!({}), after(json!({"f:spec": {"f:clusterIP": {}}}))), None, "it was not written");
    assert_eq!(of(json!({}), after(json!({"f:metadata": {"f:labels": {"f:app": {}}}}))), None, "a label");
    assert_eq!(of(json!({}), after(json!({"f:status": {"f:loadBalancer": {}}}))), None, "a status");
}

#[test]
fn the_default_parameters_of_rolling_updates_become_ours_when_another_strategy_is_written() {
    let parameters = json!({"maxSurge": "25%", "maxUnavailable": "25%"});
    let claimed = json!({"f:rollingUpdate": {"f:maxSurge": {}, "f:maxUnavailable": {}}});
    let owned = |field: &str| json!({"f:spec": {field: {"f:rollingUpdate": {"f:maxSurge": {}}}}});
    let ours = || entry("towpath", "Apply", "", image());
    let recreate = json!({"type": "Recreate"});
    for (field, written, other, expected) in [
        ("strategy", recreate.clone(), None, true),
        ("updateStrategy", json!({"type": "OnDelete"}), None, true),
        ("strategy", json!({"type": "RollingUpdate"}), None, false),
        ("strategy", json!({}), None, false),
        ("strategy", json!({"type": "Recreate", "rollingUpdate": null}), None, false),
        ("strategy", recreate.clone(), Some(entry("kubectl-edit", "Update", "", owned("f:strategy"))), false),
        ("strategy", recreate, Some(entry("towpath", "Apply", "", owned("f:strategy"))), false),
    ] {
        let mut live = live(std::iter::once(ours()).chain(other).collect());
        live["spec"][field] = json!({"type": "RollingUpdate", "rollingUpdate": parameters});
        let content = json!({"spec": {field: written}});
        let patch = adoption_patch(&live, &content, &[], "towpath");
        let Some(patch) = patch.filter(|_| expected) else {
            assert!(!expected, "{content}: nothing is claimed");
            assert_eq!(adoption_patch(&live, &content, &[], "towpath"), None, "{content}");
            continue;
        };
        let mut patched = live.clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched["spec"], live["spec"], "{content}");
        let fields = &patched["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"];
        assert_eq!(fields[format!("f:{field}")], claimed, "{content}");
        assert!(fields["f:template"].is_object(), "{content}");
    }
}

#[test]
fn the_alias_of_an_account_becomes_ours_when_the_release_drops_the_account() {
    let set = |of_job: bool, field: &str| {
        let inner = json!({"f:spec": {"f:template": {"f:spec": {field: {}}}}});
        if of_job { json!({"f:spec": {"f:jobTemplate": inner}}) } else { inner }
    };
    let (name, alias) = ("f:serviceAccountName", "f:serviceAccount");
    let ours = |of_job| entry("towpath", "Apply", "", set(of_job, name));
    for (what, of_job, written, entries, expected) in [
        ("dropped", false, json!({}), vec![ours(false)], true),
        ("dropped by a CronJob", true, json!({}), vec![ours(true)], true),
        ("kept", false, json!({"serviceAccountName": "runner"}), vec![ours(false)], false),
        ("named by its alias", false, json!({"serviceAccount": "runner"}), vec![ours(false)], false),
        (
            "named by another",
            false,
            json!({}),
            vec![entry("kubectl-edit", "Update", "", set(false, name))],
            false,
        ),
        (
            "named by another, too",
            false,
            json!({}),
            vec![ours(false), entry("kubectl-edit", "Update", "", set(false, name))],
            false,
        ),
        (
            "whose alias another set",
            false,
            json!({}),
            vec![ours(false), entry("kubectl-edit", "Update", "", set(false, alias))],
            false,
        ),
        ("that no manager named", false, json!({}), vec![], false),
    ] {
        let spec = |pod: Value| {
            let inner = json!({"template": {"spec": pod}});
            if of_job { json!({"jobTemplate": {"spec": inner}}) } else { inner }
        };
        let mut live = live(entries);
        live["spec"] = spec(json!({"serviceAccount": "runner", "serviceAccountName": "runner"}));
        let content = json!({"spec": spec(written)});
        let patch = adoption_patch(&live, &content, &[], "towpath");
        assert_eq!(patch.is_some(), expected, "{what}");
        let Some(patch) = patch else { continue };
        json_patch::patch(&mut live, &patch).unwrap();
        let mut both = set(of_job, name);
        merge(&mut both, set(of_job, alias));
        assert_eq!(live["metadata"]["managedFields"], json!([entry("towpath", "Apply", "", both)]), "{what}");
        assert_eq!(adoption_patch(&live, &content, &[], "towpath"), None, "{what}, twice");
    }
}

#[test]
fn the_types_of_a_network_policy_become_ours_when_its_rules_make_others() {
    let rules = json!([{}]);
    let all = json!(["Ingress", "Egress"]);
    let types = json!({"f:spec": {"f:policyTypes": {}}});
    let ours = || entry("towpath", "Apply", "", json!({"f:spec": {"f:egress": {}}}));
    let theirs = || entry("kubectl-edit", "Update", "", types.clone());
    for (what, found, written, entries, expected) in [
        ("egress is added", json!(["Ingress"]), json!({"egress": rules}), vec![ours()], true),
        ("egress is dropped", all.clone(), json!({"ingress": rules}), vec![ours()], true),
        ("egress is emptied", all.clone(), json!({"egress": []}), vec![ours()], true),
        ("egress stays", all.clone(), json!({"egress": rules}), vec![ours()], false),
        (
            "it says its types",
            json!(["Ingress"]),
            json!({"egress": rules, "policyTypes": all}),
            vec![ours()],
            false,
        ),
        ("another said them", json!(["Ingress"]), json!({"egress": rules}), vec![ours(), theirs()], false),
    ] {
        let mut live = live(entries);
        live["spec"] = json!({"policyTypes": found});
        let content = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": written});
        let patch = adoption_patch(&live, &content, &[], "towpath");
        assert_eq!(patch.is_some(), expected, "{what}");
        let Some(patch) = patch else { continue };
        json_patch::patch(&mut live, &patch).unwrap();
        let fields = json!({"f:spec": {"f:egress": {}, "f:policyTypes": {}}});
        assert_eq!(
            live["metadata"]["managedFields"],
            json!([entry("towpath", "Apply", "", fields)]),
            "{what}"
        );
    }
}
