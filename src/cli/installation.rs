//! What can be seen of the installation: the API server, the kinds, the controller, its policies, and the user's rights.
//!
//! Invariant: one request for each question, whatever the number of objects.

use super::kinds::{API_VERSION, Differences, OPENAPI, differences};
use crate::user::reader::Reader;
use crate::user::rights::{JSON, send};
use crate::view::checkup::{Leadership, Seen, Unseen};
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authorization::v1::ResourceRule;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The pods and Leases of any installation have this label or name, see the chart.
const LABELS: &str = "labelSelector=app.kubernetes.io%2Fname%3Dtowpath";

/// Reads what belongs to the installation.
pub struct Installation<'a> {
    reader: &'a Reader,
    /// The namespace of the controller.
    namespace: &'a str,
}

impl<'a> Installation<'a> {
    /// The installation whose controller is in this namespace.
    pub fn new(reader: &'a Reader, namespace: &'a str) -> Self {
        Self { reader, namespace }
    }

    /// The version of the API server, and its time.
    pub async fn server(&self) -> anyhow::Result<(String, Option<Timestamp>)> {
        let request = Request::get("/version").body(kube::client::Body::empty())?;
        let answer = self.reader.client().send(request).await;
        let answer = answer.map_err(|error| crate::user::reader::explained("versions", "", error))?;
        let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|zoned| zoned.timestamp());
        let version: Value = self.get("/version").await.map_err(|unseen| anyhow::anyhow!(unseen.message))?;
        Ok((version["gitVersion"].as_str().unwrap_or("?").to_owned(), date))
    }

    /// How the kinds that are served differ from those of this program. None if none is served.
    pub async fn kinds(&self) -> Seen<Option<Differences>> {
        let described: Result<Value, kube::Error> = self.reader.ask(OPENAPI).await;
        match described {
            Ok(described) => differences(&described)
                .map(Some)
                .map_err(|error| Unseen { message: error.to_string(), grant: None }),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(unseen(&format!("the description of {API_VERSION}"), None, &error)),
        }
    }

    /// The Lease of the controller, if there is one.
    pub async fn leadership(&self) -> Seen<Option<Leadership>> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace);
        let leases: Vec<Lease> =
            self.list(&path, "leases", &self.in_namespace("leases.coordination.k8s.io")).await?;
        let of_controllers = leases.into_iter().filter_map(|lease| lease.spec).filter_map(|spec| {
            Some(Leadership {
                holder: spec.holder_identity?,
                renewed: spec.renew_time?.0,
                duration: SignedDuration::from_secs(spec.lease_duration_seconds?.into()),
            })
        });
        Ok(of_controllers.max_by_key(|leadership| leadership.renewed))
    }

    /// The images of the controller.
    pub async fn images(&self) -> Seen<Vec<String>> {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments?{LABELS}", self.namespace);
        let deployments: Vec<Value> =
            self.list(&path, "deployments", &self.in_namespace("deployments.apps")).await?;
        let images = deployments.iter().flat_map(|it| {
            let containers = it.pointer("/spec/template/spec/containers").and_then(Value::as_array);
            containers
                .into_iter()
                .flatten()
                .filter_map(|container| container["image"].as_str().map(str::to_owned))
        });
        Ok(images.collect())
    }

    /// The admission policies and bindings, each as `Kind name`.
    pub async fn policies(&self) -> Seen<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for (kind, plural) in [
            ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        ] {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
            let objects: Vec<Value> = self
                .list(&path, plural, &self.in_cluster(&format!("{plural}.admissionregistration.k8s.io")))
                .await?;
            let names = objects.iter().filter_map(|object| object["metadata"]["name"].as_str());
            found.extend(names.map(|name| format!("{kind} {name}")));
        }
        Ok(found)
    }

    /// The RoleBindings of all namespaces, each as namespace and subject: `shop-dev towpath-deployers:shop.dev`.
    pub async fn bindings(&self) -> Seen<BTreeSet<String>> {
        let grant = self.in_cluster("rolebindings.rbac.authorization.k8s.io");
        let path = "/apis/rbac.authorization.k8s.io/v1/rolebindings";
        let bindings: Vec<RoleBinding> = self.list(path, "rolebindings in all namespaces", &grant).await?;
        let subjects = bindings.into_iter().flat_map(|binding| {
            let to = binding.metadata.namespace.unwrap_or_default();
            let subjects = binding.subjects.into_iter().flatten();
            subjects.map(move |it| format!("{to} {}:{}", it.namespace.unwrap_or_default(), it.name))
        });
        Ok(subjects.collect())
    }

    /// Objects of a kind without a namespace.
    pub async fn in_no_namespace<T>(&self) -> Seen<Vec<T>>
    where
        T: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let plural = T::plural(&());
        let grant = self.in_cluster(&format!("{plural}.towpath.dev"));
        let listed = self.reader.listed(&T::url_path(&(), None)).await;
        let listed = listed.map_err(|error| unseen(&plural, Some(&grant), &error))?;
        self.reader.lacks::<T>(&listed.undecodable);
        Ok(listed.found)
    }

    /// What the user may do in the project, each as `verb plural`.
    pub async fn rights(&self) -> Seen<BTreeSet<String>> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": { "namespace": self.reader.project },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let answer: Result<Value, _> = send(self.reader, Method::POST, path, JSON, &review).await;
        let answer = answer.map_err(|error| unseen("your rights", None, &error))?;
        let rules: Vec<ResourceRule> =
            serde_json::from_value(answer["status"]["resourceRules"].clone()).unwrap_or_default();
        Ok(allowed(&rules))
    }

    async fn get(&self, path: &str) -> Seen<Value> {
        self.reader.ask(path).await.map_err(|error| unseen(path, None, &error))
    }

    async fn list<T: DeserializeOwned>(&self, path: &str, plural: &str, grant: &str) -> Seen<Vec<T>> {
        let listed = self.reader.listed(path).await.map_err(|error| unseen(plural, Some(grant), &error))?;
        Ok(listed.found)
    }

    /// The commands that grant the right to list objects of the controller's namespace.
    fn in_namespace(&self, resource: &str) -> String {
        let (namespace, name) = (self.namespace, resource.split('.').next().unwrap_or_default());
        format!(
            "kubectl create role towpath-see-{name} --namespace {namespace} --verb get,list --resource {resource}\n\
             kubectl create rolebinding towpath-see-{name} --namespace {namespace} --role towpath-see-{name} --user USER"
        )
    }

    /// The commands that grant the right to list objects without a namespace.
    fn in_cluster(&self, resource: &str) -> String {
        let name = resource.split('.').next().unwrap_or_default();
        format!(
            "kubectl create clusterrole towpath-see-{name} --verb get,list --resource {resource}\n\
             kubectl create clusterrolebinding towpath-see-{name} --clusterrole towpath-see-{name} --user USER"
        )
    }
}

fn unseen(what: &str, grant: Option<&str>, error: &kube::Error) -> Unseen {
    let kube::Error::Api(status) = error else {
        return Unseen { message: format!("not shown: {error}"), grant: None };
    };
    if status.code != 403 {
        return Unseen { message: format!("not shown: {}", status.message), grant: None };
    }
    Unseen {
        message: format!("not shown: it needs the right to list {what}"),
        grant: grant.map(str::to_owned),
    }
}

/// What rules allow for all objects of Towpath's kinds.
fn allowed(rules: &[ResourceRule]) -> BTreeSet<String> {
    const KINDS: [&str; 4] = ["environments", "promotions", "releases", "approvals"];
    const VERBS: [&str; 9] =
        ["list", "watch", "create", "patch", "promote", "approve", "rollback", "override", "declare"];
    let mut allowed = BTreeSet::new();
    for rule in rules {
        let has = |list: &Option<Vec<String>>, wanted: &str| {
            list.iter().flatten().any(|one| one == "*" || one == wanted)
        };
        // A rule for some names is shown, because its verb may be used.
        if !has(&rule.api_groups, "towpath.dev") {
            continue;
        }
        for kind in KINDS.iter().filter(|kind| has(&rule.resources, kind)) {
            let verbs = VERBS.iter().filter(|verb| rule.verbs.iter().any(|one| one == "*" || one == *verb));
            allowed.extend(verbs.map(|verb| format!("{verb} {kind}")));
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_allow_what_they_name_and_what_a_star_stands_for() {
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| -> ResourceRule {
            let rule = json!({ "apiGroups": groups, "resources": resources, "verbs": verbs });
            serde_json::from_value(rule).unwrap()
        };
        let found = allowed(&[
            rule(&["towpath.dev"], &["environments"], &["list", "promote"]),
            rule(&["apps"], &["releases"], &["create"]),
            rule(&["towpath.dev"], &["approvals/status"], &["patch"]),
        ]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["list environments", "promote environments"]);
        assert_eq!(allowed(&[rule(&["*"], &["*"], &["*"])]).len(), 4 * 9);
    }
}
