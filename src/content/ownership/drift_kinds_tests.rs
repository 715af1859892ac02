use super::*;
use serde_json::json;

const WRITTEN: &str = "2026-11-02T09:00:00Z";
const LATER: &str = "2026-11-02T10:00:00Z";

#[test]
fn fields_of_other_kinds_are_compared_as_well() {
    let of = |written: Value, live: Value, ours: Value, theirs: Value| -> Vec<String> {
        let mut live = live;
        live["metadata"] = json!({"name": "web"});
        let version = written["apiVersion"].clone();
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "time": time, "apiVersion": version, "fieldsV1": fields});
        live["metadata"]["managedFields"] =
            json!([entry("towpath", WRITTEN, ours), entry("someone", LATER, theirs)]);
        drift(&live, &written, "towpath", 20).into_iter().map(|one| one.field).collect()
    };
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"app.conf": value}});
    assert_eq!(
        of(config("a"), config("b"), json!({}), json!({"f:data": {"f:app.conf": {}}})),
        ["data[app.conf]"]
    );
    // The API server stores the metrics in another order, without a change by a manager.
    let hpa = |metrics: Value| json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": {"metrics": metrics}});
    assert_eq!(
        of(
            hpa(json!([{"type": "A"}, {"type": "B"}])),
            hpa(json!([{"type": "B"}, {"type": "A"}])),
            json!({"f:spec": {"f:metrics": {}}}),
            json!({}),
        ),
        Vec::<String>::new()
    );
    // A Service that lost a port, and whose type the API server completed.
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports}});
    let port = |number: u16| json!({"name": format!("p{number}"), "port": number});
    let own = json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}}}});
    assert_eq!(
        of(service(json!([port(80), port(81)])), service(json!([port(80)])), own, json!({})),
        ["spec.ports[81]"]
    );
    // The webhook of another controller fills in what was left empty.
    let webhook = |bundle: Value| json!({"apiVersion": "example.com/v1", "kind": "Hook", "spec": {"caBundle": bundle, "url": "x"}});
    assert_eq!(
        of(
            webhook(json!(null)),
            webhook(json!("abc")),
            json!({"f:spec": {"f:url": {}}}),
            json!({"f:spec": {"f:caBundle": {}}})
        ),
        Vec::<String>::new()
    );
    let finalizers =
        |list: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"finalizers": list}});
    assert_eq!(
        of(
            finalizers(json!(["a.example/x"])),
            finalizers(json!([])),
            json!({"f:data": {}}),
            json!({"f:metadata": {"f:finalizers": {"v:\"b\"": {}}}})
        ),
        ["metadata.finalizers"]
    );
}
