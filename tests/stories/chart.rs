//! What the chart installs: the plain manifests are the chart, the rights are a reviewed list, and on a real API server
//! they allow what they should and nothing else.

use anyhow::{Context, Result, ensure};
use control_plane::{Access, ControlPlane, eventually};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use support::effective_rights::are_reviewed;
use support::failed::uses_namespace;
use support::helm::{helm, template};
use support::installation::{control_plane, own_control_plane};
use support::manifests::{documents, read, root};
use support::operator::program;
use support::rights::{Grant, lines};
use support::{SOON, installed};

support::stories![
    the_plain_manifests_are_the_chart,
    the_chart_is_clean,
    the_policies_can_be_left_out_and_the_controller_is_told,
    the_rights_are_the_reviewed_ones,
    the_controller_can_neither_write_workloads_nor_read_secrets_nor_widen_its_rights,
    the_built_in_roles_gain_nothing_that_admission_asks_about_and_no_user_deletes_the_record,
    the_roles_of_consent_hold_nothing_that_an_admin_of_a_namespace_lacks,
    installed_it_allows_what_was_consented_to_and_nothing_else,
    uninstalling_leaves_workloads_records_and_consent_and_installing_again_goes_on_from_there,
];

const OPERATOR: (&str, &str) = ("towpath-system", "towpath");
const CONSENT: [&str; 4] = ["towpath-deploy", "towpath-observe", "towpath-preflight", "towpath-source"];

async fn the_plain_manifests_are_the_chart() -> Result<()> {
    let plain = read(&root("deploy/towpath.yaml"));
    let (namespace, rest) = plain.split_once("---\n").context("one document only")?;
    let namespace = &documents(namespace)[0];
    assert_eq!(
        (&namespace["kind"], &namespace["metadata"]["name"]),
        (&"Namespace".into(), &OPERATOR.0.into())
    );
    let rendered = template(&[])?;
    let rendered = rendered.strip_prefix("---\n").unwrap_or(&rendered);
    assert!(
        rest == rendered,
        "deploy/towpath.yaml is not what the chart says: write it again with .ci/generate"
    );
    Ok(())
}

async fn the_chart_is_clean() -> Result<()> {
    helm(&["lint", "--strict", "--quiet", "charts/towpath"])?;
    let everything = [
        "--set=metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.labels.team=a,projects={a,b},logFormat=text",
        "--set=podLabels.a=b,podAnnotations.a=b,priorityClassName=a,nodeSelector.a=b,serviceAccount.annotations.a=b",
        "--set=imagePullSecrets[0].name=a,extraEnv[0].name=RUST_LOG,extraEnv[0].value=debug,tolerations[0].key=a",
        "--set=metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.a=b,metrics.prometheusRule.alertLabels.team=a",
        "--set=metrics.dashboard.enabled=true,metrics.dashboard.annotations.folder=a",
    ];
    let objects = documents(&template(&everything)?);
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").context("no Deployment")?;
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let arguments: Vec<&str> = arguments.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(
        arguments,
        [
            "controller",
            "--lease-namespace=towpath-system",
            "--lease-name=towpath",
            "--lease-duration=15s",
            "--listen=0.0.0.0:8080",
            "--log-format=text",
            "--projects=a,b",
        ]
    );
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        assert!(objects.iter().any(|object| object["kind"] == kind), "no {kind}");
    }
    let dashboard =
        objects.iter().find_map(|object| object["data"]["towpath.json"].as_str()).context("no dashboard")?;
    let dashboard: Value = serde_json::from_str(dashboard)?;
    assert_eq!(dashboard["uid"], "towpath");
    let least = documents(&template(&["--set=crds.install=false,roles.aggregate=false"])?);
    assert!(!least.iter().any(|object| object["kind"] == "CustomResourceDefinition"));
    for wrong in [
        "admission.enabled=maybe",
        "replica=3",
        "replicas=two",
        "logFormat=xml",
        "image.digest=abc",
        "projects={A_b}",
        "metrics.prometheusRule.for=soon",
        "metrics.prometheusRule.alertLabels.severity=page",
        "metrics.prometheusRule.releaseWaitingSeconds=1d",
    ] {
        assert!(template(&[&format!("--set={wrong}")]).is_err(), "the schema of the values takes {wrong}");
    }
    Ok(())
}

async fn the_policies_can_be_left_out_and_the_controller_is_told() -> Result<()> {
    let of_admission = |objects: &[Value]| -> Vec<String> {
        let kinds = objects.iter().filter_map(|object| object["kind"].as_str());
        let mut kinds: Vec<_> =
            kinds.filter(|kind| kind.contains("AdmissionPolicy")).map(str::to_owned).collect();
        kinds.dedup();
        kinds
    };
    let without = template(&["--set=admission.enabled=false"])?;
    assert!(without.contains("- --admission=disabled\n"));
    let without = documents(&without);
    assert_eq!(of_admission(&without), Vec::<String>::new());
    // Its right to create pods is worth having only as a dry-run.
    assert_eq!(Grant::of_roles(&without, &["towpath-preflight"]), []);
    let with = template(&[])?;
    assert!(!with.contains("--admission"));
    assert!(!with.contains("OPERATOR_"));
    // A server before Kubernetes 1.36.
    let older = documents(&helm(&["template", "towpath", "charts/towpath", "--namespace", OPERATOR.0])?);
    assert_eq!(of_admission(&older), ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]);
    Ok(())
}

/// Each line was reviewed. A right more or less is a decision, made in tests/stories/golden/rights.txt.
async fn the_rights_are_the_reviewed_ones() -> Result<()> {
    let found = lines(&documents(&template(&[])?)).join("\n") + "\n";
    let reviewed = read(&root("tests/stories/golden/rights.txt"));
    assert!(
        found == reviewed,
        "the chart grants other rights than tests/stories/golden/rights.txt:\n{found}"
    );
    Ok(())
}

async fn the_controller_can_neither_write_workloads_nor_read_secrets_nor_widen_its_rights() -> Result<()> {
    let objects = documents(&template(&[])?);
    for grant in Grant::of_roles(&objects, &["towpath", "towpath-lease", "towpath-freezes"]) {
        let shown = format!("{grant:?}");
        assert!(!["*", "secrets"].contains(&grant.resource.as_str()), "{shown}");
        if grant.resource == "configmaps" {
            assert_eq!(grant.namespace, OPERATOR.0, "{shown}");
            // A name cannot restrict a creation.
            assert!(grant.verb == "create" || grant.names == ["towpath-freezes"], "{shown}");
            continue;
        }
        assert!(!["*", "escalate", "bind", "deletecollection"].contains(&grant.verb.as_str()), "{shown}");
        let looks = ["get", "list", "watch"].contains(&grant.verb.as_str());
        let own = ["towpath.dev", "events.k8s.io", "coordination.k8s.io", "authorization.k8s.io"];
        assert!(looks || own.contains(&grant.group.as_str()) || grant.verb == "impersonate", "{shown}");
        assert_eq!(grant.verb == "impersonate", grant.namespace == "towpath-deployers", "{shown}");
    }
    Ok(())
}

/// Admission asks about these verbs; a user who edits or administers a namespace is not thereby a releaser or an approver.
async fn the_built_in_roles_gain_nothing_that_admission_asks_about_and_no_user_deletes_the_record()
-> Result<()> {
    let objects = documents(&template(&[])?);
    let built_in = ["towpath-view", "towpath-edit", "towpath-admin"];
    let people = [
        "towpath-viewer",
        "towpath-requester",
        "towpath-declarer",
        "towpath-approver",
        "towpath-oncall",
        "towpath-environment-admin",
    ];
    for grant in Grant::of_roles(&objects, &built_in) {
        let shown = format!("{grant:?}");
        assert!(
            !["promote", "approve", "rollback", "override", "declare", "*"].contains(&grant.verb.as_str()),
            "{shown}"
        );
    }
    for grant in Grant::of_roles(&objects, &[&built_in[..], &people[..]].concat()) {
        let shown = format!("{grant:?}");
        let (resource, verb) = (grant.resource.as_str(), grant.verb.as_str());
        let looks = ["get", "list", "watch"].contains(&verb);
        assert!(resource != "contents" && !resource.contains('/') && !resource.contains('*'), "{shown}");
        // The policy towpath-withdrawals limits which promotions are deleted.
        assert!(resource != "promotions" || looks || ["create", "delete"].contains(&verb), "{shown}");
        assert!(resource != "clusterchangefreezes" || looks, "{shown}");
    }
    Ok(())
}

async fn the_roles_of_consent_hold_nothing_that_an_admin_of_a_namespace_lacks() -> Result<()> {
    let cluster = control_plane().await?;
    let kubectl = cluster.kubectl(cluster.admin());
    // The controller manager fills the role in a moment after the start.
    let admin = eventually("the role admin", SOON, async || {
        let role: Value =
            serde_json::from_str(&kubectl.run(&["get", "clusterrole", "admin", "-o", "json"])?)?;
        Ok(role["rules"].is_array().then_some(role))
    })
    .await?;
    let admin = Grant::of_roles(&[admin], &["admin"]);
    let objects = documents(&template(&[])?);
    for grant in Grant::of_roles(&objects, &CONSENT) {
        let holds = |held: &Grant| {
            (&held.group, &held.resource, &held.verb) == (&grant.group, &grant.resource, &grant.verb)
        };
        assert!(admin.iter().any(holds), "admin lacks {grant:?}, so no admin of a namespace can bind it");
    }
    Ok(())
}

/// Also what a newcomer does: install, apply the examples as they stand, look.
async fn installed_it_allows_what_was_consented_to_and_nothing_else() -> Result<()> {
    let cluster = &installed().await?;
    for namespace in ["shop", "shop-dev", "shop-prod"] {
        uses_namespace(cluster, namespace);
    }
    let admin = cluster.kubectl(cluster.admin());
    apply_examples(cluster).await?;
    for workload in ["deployment/web", "deployment/api", "statefulset/cache"] {
        admin.run(&["rollout", "status", workload, "-n", "shop-dev", "--timeout=120s"])?;
    }

    let operator = cluster.service_account(OPERATOR.0, OPERATOR.1).await?;
    let operator = |arguments: &str| run(cluster, &operator, arguments);
    let prod = "--as=system:serviceaccount:towpath-deployers:shop.prod";
    let dev = "--as=system:serviceaccount:towpath-deployers:shop.dev";
    let allowed = [
        format!("create configmap a -n shop-prod {prod}"),
        format!("get configmaps -n shop-dev {dev}"),
        format!("run a --image=a -n shop-prod --dry-run=server {prod}"),
        format!("create secret generic a -n shop-prod --dry-run=server {prod}"),
        "get releases,environments,promotions,rollbackpolicies -A".into(),
        "get deployments,statefulsets,daemonsets,replicasets,pods,jobs -A".into(),
    ];
    for arguments in &allowed {
        // A policy is enforced a moment after it is there; what it allows is not in doubt.
        operator(arguments).with_context(|| format!("refused: {arguments}"))?;
    }
    let refused = [
        format!("create configmap b -n shop-staging {prod}"),
        format!("create configmap b -n shop-dev {dev}"),
        format!("get secrets -n shop-prod {prod}"),
        format!("create rolebinding b --clusterrole=view --user=a -n shop-prod {prod}"),
        "create configmap b -n shop-prod".into(),
        "get configmaps -n shop-prod".into(),
        "get secrets -n shop-prod".into(),
        "get pods -n shop-prod --as=system:serviceaccount:kube-system:default".into(),
        "get pods -n shop-prod --as=someone".into(),
        "get contents -n shop --watch".into(),
        "scale deployment web --replicas=5 -n shop-dev".into(),
        "create token default -n towpath-deployers".into(),
    ];
    for arguments in &refused {
        let answer = operator(arguments).err().with_context(|| format!("allowed: {arguments}"))?;
        ensure!(format!("{answer:#}").contains("forbidden"), "{arguments}: {answer:#}");
    }
    for creation in ["run b --image=a", "create secret generic b"] {
        let arguments = format!("{creation} -n shop-prod {prod}");
        eventually("the policy of the dry-runs", SOON, async || {
            Ok(operator(&arguments)
                .is_err_and(|error| format!("{error:#}").contains("only in a dry-run"))
                .then_some(()))
        })
        .await
        .with_context(|| format!("allowed: {arguments}"))?;
        let kind = if creation.starts_with("run") { "pod" } else { "secret" };
        admin.run(&["delete", kind, "b", "-n", "shop-prod", "--ignore-not-found"])?;
    }
    are_reviewed(cluster, &cluster.service_account(OPERATOR.0, OPERATOR.1).await?)?;
    people_on(cluster).await
}

/// view looks, edit makes releases, admin makes rules; no user writes a status or sees a Content.
async fn people_on(cluster: &ControlPlane) -> Result<()> {
    let admin = cluster.kubectl(cluster.admin());
    for role in ["view", "edit", "admin"] {
        let name = format!("{role}-person");
        admin.run(&["create", "rolebinding", &name, "-n", "shop", "--clusterrole", role, "--user", &name])?;
    }
    let can = |person: &str, verb: &str, resource: &str| {
        let who = format!("--as={person}-person");
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let part = format!("--subresource={part}");
        admin.run(&["auth", "can-i", verb, resource, &part, "-n", "shop", &who]).is_ok()
    };
    eventually("the aggregated roles", SOON, async || {
        Ok(can("admin", "create", "environments.towpath.dev").then_some(()))
    })
    .await?;
    let cases = [
        ("get", "releases.towpath.dev", "view edit admin"),
        ("get", "promotions.towpath.dev", "view edit admin"),
        ("get", "approvals.towpath.dev", "view edit admin"),
        ("get", "changefreezes.towpath.dev", "view edit admin"),
        ("create", "releases.towpath.dev", "edit admin"),
        ("create", "promotions.towpath.dev", "edit admin"),
        ("create", "environments.towpath.dev", "admin"),
        ("update", "rollbackpolicies.towpath.dev", "admin"),
        ("create", "changefreezes.towpath.dev", "admin"),
        ("create", "clusterchangefreezes.towpath.dev", ""),
        ("create", "approvals.towpath.dev", ""),
        ("delete", "approvals.towpath.dev", ""),
        ("delete", "promotions.towpath.dev", ""),
        ("patch", "promotions.towpath.dev", ""),
        ("promote", "environments.towpath.dev", ""),
        ("approve", "environments.towpath.dev", ""),
        ("rollback", "environments.towpath.dev", ""),
        ("override", "environments.towpath.dev", ""),
        ("patch", "promotions.towpath.dev/status", ""),
        ("patch", "environments.towpath.dev/status", ""),
        ("get", "contents.towpath.dev", ""),
        ("create", "contents.towpath.dev", ""),
    ];
    for (verb, resource, who) in cases {
        let found: Vec<&str> =
            ["view", "edit", "admin"].into_iter().filter(|person| can(person, verb, resource)).collect();
        ensure!(found.join(" ") == who, "{verb} {resource}: {found:?}, not {who:?}");
    }
    Ok(())
}

/// With everything that a controller has put there by then.
async fn uninstalling_leaves_workloads_records_and_consent_and_installing_again_goes_on_from_there()
-> Result<()> {
    let cluster = &own_control_plane().await?;
    for namespace in ["shop", "shop-staging"] {
        uses_namespace(cluster, namespace);
    }
    let admin = cluster.kubectl(cluster.admin());
    let helm = cluster.helm(cluster.admin());
    let chart = root("charts/towpath").display().to_string();
    let flags = ["--namespace", OPERATOR.0, "--create-namespace", "--set=replicas=0"];
    let install = [&["install", "towpath", &chart], &flags[..]].concat();
    helm.run(&install)?;
    apply_examples(cluster).await?;
    let mut controller = start_controller(cluster).await?;
    let copied = eventually("a workload in staging", SOON, async || {
        admin.run(&["rollout", "status", "deployment/web", "-n", "shop-staging", "--timeout=1s"]).map(Some)
    })
    .await;
    controller.kill()?;
    controller.wait()?;
    copied?;
    let kinds = "releases,environments,promotions,rollbackpolicies,contents,deployments,statefulsets,configmaps,rolebindings";
    let left = || -> Result<Vec<String>> {
        let names = admin.run(&[
            "get",
            kinds,
            "--all-namespaces",
            "-o",
            "custom-columns=:.kind,:.metadata.uid,:.metadata.namespace",
        ])?;
        let ours = names.lines().filter(|line| line.contains(" shop"));
        Ok(ours.map(str::to_owned).collect())
    };
    let before = left()?;
    for kind in ["Release", "Promotion", "Content", "Deployment", "RoleBinding"] {
        ensure!(before.iter().any(|line| line.starts_with(kind)), "no {kind} among {before:#?}");
    }
    helm.run(&["uninstall", "towpath", "--namespace", OPERATOR.0, "--wait"])?;
    ensure!(admin.run(&["get", "deployment", "towpath", "-n", OPERATOR.0]).is_err(), "the controller stays");
    ensure!(left()? == before, "before: {before:#?}\nafter: {:#?}", left()?);
    helm.run(&install)?;
    ensure!(left()? == before, "before: {before:#?}\ninstalled again: {:#?}", left()?);
    Ok(())
}

/// The controller as the chart would run it.
async fn start_controller(cluster: &ControlPlane) -> Result<Child> {
    let access = cluster.service_account(OPERATOR.0, OPERATOR.1).await?;
    let mut child = Command::new(program()?);
    child
        .args(["controller", "--listen=127.0.0.1:0", "--lease-name=towpath"])
        .arg(format!("--kubeconfig={}", access.kubeconfig.display()))
        .arg(format!("--lease-namespace={}", OPERATOR.0))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    child.spawn().context("the controller cannot be started")
}

/// A kind is served, and an admission policy applied, a moment after it is established.
async fn apply_examples(cluster: &ControlPlane) -> Result<()> {
    let admin = cluster.kubectl(cluster.admin());
    let file = |name: &str| root("deploy/examples").join(name).display().to_string();
    admin.run(&["apply", "--server-side", "-f", &file("00-namespaces.yaml")])?;
    eventually("the requester to be recorded", SOON, async || {
        let flags = ["create", "--dry-run=server", "-o", "json", "-f"];
        let answer = admin.run(&[&flags[..], &[&file("50-release.yaml")]].concat())?;
        Ok(answer.contains("requestedBy").then_some(()))
    })
    .await?;
    admin.run(&["apply", "--server-side", "-f", &file("")]).map(drop)
}

fn run(cluster: &ControlPlane, access: &Access, arguments: &str) -> Result<String> {
    cluster.kubectl(access).run(&arguments.split(' ').collect::<Vec<_>>())
}
