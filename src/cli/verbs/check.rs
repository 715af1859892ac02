//! `check`: what a project needs of its cluster, and what is missing.

use crate::api::{Channel, CheckProvider, DEPLOYER_NAMESPACE, Environment, RollbackPolicy};
use crate::cli::installation::Installation;
use crate::cli::kinds::API_VERSION;
use crate::cli::of_project::OfProject;
use crate::cli::output;
use crate::observe::admission::shipped_policies;
use crate::user::reader::Reader;
use crate::user::rights::user;
use crate::view::checkup::{self, Checkup, Item, ItemState, Unseen, judged};
use crate::view::right::quoted;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Check a cluster: versions, controller, admission policies, your rights, and the consent and providers of each environment.
///
/// What is missing is followed by the commands that fix it, and what you may not see by those that grant the right. The exit code is 0 if
/// nothing is missing, else 1.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfProject,
    /// Namespace of the controller.
    #[arg(long, default_value = "towpath-system", value_name = "NAMESPACE")]
    controller_namespace: String,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let reader = arguments.of.open().await?;
    let view = check(&reader, &arguments.controller_namespace).await?;
    if arguments.of.output.is_table() {
        output::lines(out, view.table().lines(output::layout()))?;
        let commands = view.commands();
        if !commands.is_empty() {
            writeln!(out, "\nTo fix what is missing, and to see what is not shown:")?;
            output::lines(out, commands.iter().map(|command| format!("  {command}")))?;
        }
    } else {
        let names = view.items.iter().map(|item| format!("{}/{}", item.of, item.name)).collect::<Vec<_>>();
        output::data(out, arguments.of.output, "Checkup", &view, names)?;
    }
    Ok(ExitCode::from(u8::from(!view.is_fine())))
}

async fn check(reader: &Reader, namespace: &str) -> anyhow::Result<Checkup> {
    let installation = Installation::new(reader, namespace);
    let (version, server_time) = installation.server().await?;
    let now = Timestamp::now();
    let mut items = vec![checkup::server(&version)];
    items.extend(server_time.map(|then| checkup::clock(then, now)));
    let now = server_time.unwrap_or(now);
    let kinds = installation.kinds().await;
    let has_kinds = !matches!(kinds, Ok(None));
    items.push(judged("cluster", "kinds", kinds, |kinds| match kinds {
        Some(differences) => checkup::kinds(API_VERSION, &differences.older, &differences.newer),
        None => without_kinds(),
    }));
    let leadership = installation.leadership().await;
    items.push(judged("cluster", "controller", leadership, |it| {
        checkup::controller(namespace, it.as_ref(), now)
    }));
    let policies = installation.policies().await;
    items.push(judged("cluster", "policies", policies, |found| {
        checkup::policies(&shipped_policies(), &found)
    }));
    let user = user(reader).await.map_or_else(|| "YOUR-NAME".to_owned(), |user| user.username);
    let rights = installation.rights().await;
    items.push(judged("user", "rights", rights, |allowed| checkup::rights(&user, &reader.project, &allowed)));
    if has_kinds {
        items.extend(of_project(reader, &installation).await);
    }
    for fix in items.iter_mut().filter_map(|item| item.fix.as_mut()) {
        *fix = fix.replace("--user USER", &format!("--user {}", quoted(&user)));
    }
    Ok(Checkup { items })
}

async fn of_project(reader: &Reader, installation: &Installation<'_>) -> Vec<Item> {
    let unseen = |error: anyhow::Error| Unseen { message: format!("not shown: {error:#}"), grant: None };
    let policies = reader.list::<RollbackPolicy>("").await.map_err(unseen);
    let providers = installation.in_no_namespace::<CheckProvider>().await;
    let channels = installation.in_no_namespace::<Channel>().await;
    match reader.list::<Environment>("").await {
        Ok(environments) => {
            let mut items = checkup::environments(&environments, &policies, &providers, &channels);
            let bindings = installation.bindings().await;
            let consent = |environment: &Environment| {
                let account = format!("{DEPLOYER_NAMESPACE}:{}", environment.id().account());
                let key = format!("{} {account}", environment.spec.namespace);
                checkup::consent(environment, bindings.as_ref().map(|all| all.contains(&key)))
            };
            items.extend(environments.iter().filter_map(consent));
            items.sort_by(|a, b| a.of.cmp(&b.of));
            items
        }
        Err(error) => {
            let environments = Err::<(), _>(unseen(error));
            vec![judged("project", "environments", environments, |()| without_kinds())]
        }
    }
}

fn without_kinds() -> Item {
    Item {
        of: "cluster".to_owned(),
        name: "kinds".to_owned(),
        state: ItemState::Missing,
        message: format!("{API_VERSION} is not served: Towpath is not installed in this cluster"),
        fix: Some(
            "helm install towpath charts/towpath --namespace towpath-system --create-namespace".to_owned(),
        ),
    }
}
