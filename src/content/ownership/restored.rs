//! What an object has in the cluster and its content does not say: replicas, suspension, cluster IPs, node ports. Read before the object is deleted,
//! and written into the object when it is created again.

use crate::api::{Had, NodePort};
use crate::content::object::key::group_kind;
use serde_json::{Value, json};

/// What a live object has and its content does not say; none when there is nothing.
pub fn had(live: &Value) -> Option<Had> {
    let number =
        |pointer| live.pointer(pointer).and_then(Value::as_i64).and_then(|it| i32::try_from(it).ok());
    let had = match group_kind(live) {
        ("apps", "Deployment" | "StatefulSet") => {
            Had { replicas: number("/spec/replicas"), ..Had::default() }
        }
        ("batch", "CronJob") => Had {
            suspended: live.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true),
            ..Had::default()
        },
        ("", "Service") => Had {
            cluster_ips: cluster_ips(live),
            node_ports: ports(live).filter_map(node_port).collect(),
            health_check_node_port: number("/spec/healthCheckNodePort").filter(|port| *port > 0),
            ..Had::default()
        },
        _ => Had::default(),
    };
    (had != Had::default()).then_some(had)
}

/// Writes into an object that is created again what it had. What its content says itself stays.
pub fn restore(object: &mut Value, had: &Had) {
    let kind = group_kind(object);
    let is_scaled = matches!(kind, ("apps", "Deployment" | "StatefulSet"));
    let (is_cron_job, is_service) = (kind == ("batch", "CronJob"), kind == ("", "Service"));
    let type_ = object.pointer("/spec/type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if is_scaled && let Some(replicas) = had.replicas {
        spec.insert("replicas".into(), replicas.into());
    }
    if is_cron_job && had.suspended {
        spec.insert("suspend".into(), true.into());
    }
    if !is_service || type_ == "ExternalName" {
        return;
    }
    if let Some(first) = had.cluster_ips.first().filter(|_| !spec.contains_key("clusterIP")) {
        spec.insert("clusterIP".into(), first.as_str().into());
        // A Service of one family has one address; the second one is only valid with a dual-stack policy.
        let is_dual =
            spec.get("ipFamilyPolicy").and_then(Value::as_str).is_some_and(|it| it != "SingleStack");
        if had.cluster_ips.len() == 1 || is_dual {
            spec.insert("clusterIPs".into(), json!(had.cluster_ips));
        }
    }
    if type_ == "ClusterIP" {
        return;
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let of_same = |old: &&NodePort| {
            port.get("port").and_then(Value::as_i64) == Some(i64::from(old.port))
                && protocol(port) == old.protocol.as_deref().unwrap_or("TCP")
        };
        let Some(old) = had.node_ports.iter().find(of_same) else { continue };
        if let Some(port) = port.as_object_mut() {
            port.entry("nodePort").or_insert_with(|| old.node_port.into());
        }
    }
    let is_local = spec.get("externalTrafficPolicy").and_then(Value::as_str) == Some("Local");
    if let Some(port) = had.health_check_node_port.filter(|_| type_ == "LoadBalancer" && is_local) {
        spec.entry("healthCheckNodePort").or_insert_with(|| port.into());
    }
}

/// The addresses that the API server allocated; a headless Service has none.
fn cluster_ips(service: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let listed = service.pointer("/spec/clusterIPs").and_then(Value::as_array);
    let mut found: Vec<String> = listed.into_iter().flatten().filter_map(text).collect();
    if found.is_empty() {
        found.extend(service.pointer("/spec/clusterIP").and_then(text));
    }
    found.retain(|address| !address.is_empty() && address != "None");
    found
}

fn ports(service: &Value) -> impl Iterator<Item = &Value> {
    service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten()
}

fn node_port(port: &Value) -> Option<NodePort> {
    let number = |field| port.get(field).and_then(Value::as_i64).and_then(|it| i32::try_from(it).ok());
    let protocol = Some(protocol(port)).filter(|protocol| *protocol != "TCP").map(str::to_owned);
    Some(NodePort {
        port: number("port")?,
        protocol,
        node_port: number("nodePort").filter(|port| *port > 0)?,
    })
}

fn protocol(port: &Value) -> &str {
    port.get("protocol").and_then(Value::as_str).unwrap_or("TCP")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": spec })
    }

    fn deployment(spec: Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": spec })
    }

    fn restored(mut object: Value, live: &Value) -> Value {
        if let Some(had) = had(live) {
            restore(&mut object, &had);
        }
        object["spec"].clone()
    }

    #[test]
    fn a_workload_comes_back_with_its_replicas() {
        let live = deployment(json!({ "replicas": 6 }));
        assert_eq!(restored(deployment(json!({ "replicas": 2 })), &live), json!({ "replicas": 6 }));
        assert_eq!(restored(deployment(json!({})), &live), json!({ "replicas": 6 }));
        let zero = deployment(json!({ "replicas": 0 }));
        assert_eq!(restored(deployment(json!({ "replicas": 2 })), &zero), json!({ "replicas": 0 }));
    }

    #[test]
    fn a_cron_job_that_was_suspended_comes_back_suspended() {
        let cron_job = |suspend: bool| json!({ "apiVersion": "batch/v1", "kind": "CronJob", "spec": { "suspend": suspend } });
        assert_eq!(restored(cron_job(false), &cron_job(true)), json!({ "suspend": true }));
        assert_eq!(had(&cron_job(false)), None);
    }

    #[test]
    fn a_service_comes_back_with_its_addresses_and_node_ports() {
        let live = service(json!({
            "type": "LoadBalancer", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"],
            "externalTrafficPolicy": "Local", "healthCheckNodePort": 30003,
            "ports": [
                { "port": 80, "protocol": "TCP", "nodePort": 30001 },
                { "port": 80, "protocol": "UDP", "nodePort": 30002 },
            ],
        }));
        let wanted = service(json!({
            "type": "LoadBalancer", "externalTrafficPolicy": "Local",
            "ports": [{ "port": 80 }, { "port": 80, "protocol": "UDP" }, { "port": 443 }],
        }));
        assert_eq!(
            restored(wanted, &live),
            json!({
                "type": "LoadBalancer", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"],
                "externalTrafficPolicy": "Local", "healthCheckNodePort": 30003,
                "ports": [
                    { "port": 80, "nodePort": 30001 },
                    { "port": 80, "protocol": "UDP", "nodePort": 30002 },
                    { "port": 443 },
                ],
            })
        );
    }

    #[test]
    fn what_the_content_says_itself_stays() {
        let live = service(json!({ "clusterIP": "10.0.0.7", "ports": [{ "port": 80, "nodePort": 30001 }] }));
        for spec in [
            json!({ "clusterIP": "None" }),
            json!({ "type": "ExternalName", "externalName": "example.com" }),
            json!({ "clusterIP": "10.0.0.9", "ports": [{ "port": 80 }] }),
        ] {
            assert_eq!(restored(service(spec.clone()), &live), spec);
        }
        let chosen = json!({ "type": "NodePort", "clusterIP": "10.0.0.7", "ports": [{ "port": 80, "nodePort": 32000 }] });
        assert_eq!(restored(service(chosen.clone()), &live), chosen);
    }

    #[test]
    fn a_headless_service_and_other_kinds_had_nothing() {
        assert_eq!(had(&service(json!({ "clusterIP": "None", "clusterIPs": ["None"] }))), None);
        assert_eq!(had(&json!({ "apiVersion": "v1", "kind": "ConfigMap" })), None);
    }
}
