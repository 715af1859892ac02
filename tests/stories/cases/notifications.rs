//! What happens to releases reaches the channels of an environment: as documented, once each, rollbacks first, and whatever the channels do.

use super::notified::{CHANNELS, Told, arrived, counted, events, is_signed, once};
use anyhow::{Context, Result, ensure};
use cdevents_sdk::CDEvent;
use control_plane::eventually;
use futures::{StreamExt, TryStreamExt};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::hostile::{Hostile, Manner};
use support::mail_server::{MailServer, Offers};
use support::operator::Operator;
use support::receiver::{Received, Receiver};
use support::relay::{Kill, Relay, Side};
use support::waits::condition;
use support::{SOON, same};

support::stories![
    what_happens_to_a_release_arrives_once_at_each_kind_of_channel,
    channels_that_fail_delay_no_rollback_and_say_why,
    a_controller_that_is_killed_at_a_write_loses_no_notification,
    a_restart_repeats_nothing_and_a_settled_channel_is_not_written,
    an_environment_reports_a_channel_that_it_cannot_use_and_goes_on,
    a_controller_that_may_not_list_channels_promotes_and_says_so,
];

/// Stories with a kill that are told side by side.
const LANES: usize = 5;
/// How long a cursor stays behind, and the shortest time between two writes of it.
const SETTLED: Duration = Duration::from_secs(120);

async fn what_happens_to_a_release_arrives_once_at_each_kind_of_channel() -> Result<()> {
    let told = Told::begin(&[json!({ "name": "prod", "approvals": { "required": 1 } })]).await?;
    let project = &told.project;
    let (receiver, mail) = (Receiver::start().await?, MailServer::start(Offers::StartTls, false).await?);
    let url = receiver.url();
    told.file("slack", &format!("{url}/slack/T0/s3cret\n"))?;
    told.file("teams", &format!("{url}/teams?sig=s3cret\n"))?;
    told.file("password", "s3cret\n")?;
    told.file("ca.crt", &mail.authority)?;
    told.webhook("hook", &url).await?;
    told.channel("slack", json!({ "slack": { "url": "slack" } })).await?;
    told.channel("teams", json!({ "teams": { "url": "teams" } })).await?;
    told.channel("events", json!({ "cdevents": { "url": format!("{url}/events") } })).await?;
    let smtp = json!({
        "host": "localhost", "port": mail.address.port(), "from": "towpath@example.com", "to": ["shop@example.com"],
        "username": "alice", "password": "password",
    });
    told.channel("mail", json!({ "smtp": smtp, "tls": { "ca": "ca.crt" } })).await?;
    told.notifies(&["hook", "slack", "teams", "events", "mail"]).await?;
    project.start_as(&told.flags).await?;

    let bob = project.person("bob", &[], &["towpath-approver"]).await?;
    let approve = async |promotion: &str| -> Result<()> {
        let waits = |it: &Value| it["status"]["reason"] == "Approval";
        project.until("promotions", promotion, "waits for approvals", waits).await?;
        bob.decides(project, promotion, "Approve").await.map(drop)
    };
    let first = told.release("1.0.0", "v1").await?;
    approve(&format!("prod-{first}")).await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let second = told.release("2.0.0", "v2-crash-loop").await?;
    approve(&format!("prod-{second}")).await?;
    project.ended(&format!("prod-{second}"), "Failed").await?;
    project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
    project.change("releases", &second, json!({ "spec": { "hold": true } })).await?;
    let digest = project.ours("releases", &second).await?["status"]["digest"].clone();
    let recall = json!({ "application": "shop", "digests": [digest], "reason": "it loses orders" });
    project.create("recalls", "lost-orders", recall).await?;
    let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
    let freeze =
        json!({ "from": now - day, "to": now + day, "reason": "the sale", "environments": ["prod"] });
    project.create("changefreezes", "sale", freeze).await?;

    let wanted = once(&[
        "prod-shop-1.0.0 ApprovalNeeded",
        "prod-shop-1.0.0 Started",
        "prod-shop-1.0.0 Verified",
        "prod-shop-2.0.0 ApprovalNeeded",
        "prod-shop-2.0.0 Started",
        "prod-shop-2.0.0 Failed",
        "prod-shop-2.0.0-rollback RollbackStarted",
        "prod-shop-2.0.0-rollback RolledBack",
        "shop-2.0.0 Held",
        "shop-2.0.0 Recalled",
        "sale Frozen",
    ]);
    let at = |path: &str| -> Vec<Received> {
        receiver.got().into_iter().filter(|it| it.path.starts_with(path)).collect()
    };
    eventually("every notification at every channel", SOON, async || {
        let counts = ["/hook", "/slack", "/teams", "/events"].map(|path| at(path).len());
        let is_whole = counts.iter().chain([&mail.got().len()]).all(|count| *count >= wanted.len());
        Ok(is_whole.then_some(()))
    })
    .await
    .with_context(|| format!("{:#?}, {} mails", counted(&at("/hook")), mail.got().len()))?;
    same("webhook", counted(&at("/hook")), wanted.clone())?;
    at("/hook").iter().try_for_each(is_signed)?;
    let failed = at("/hook").into_iter().map(|it| it.json()).find(|it| it["event"] == "Failed");
    let failed = failed.context("no failure")?;
    for (field, value) in [
        ("format", json!("towpath.dev/notification/v1")),
        ("title", json!(format!("shop 2.0.0 failed in prod (project {})", project.name))),
        ("reason", json!("CrashLoopBackOff")),
        ("owner", json!("team-shop")),
        ("stakeholders", json!(["sales"])),
        ("tickets", json!(["SHOP-1"])),
        ("version", json!("2.0.0")),
    ] {
        same(field, &failed[field], &value)?;
    }
    let back = at("/hook").into_iter().map(|it| it.json()).find(|it| it["event"] == "RolledBack");
    same("restores", back.context("no rollback")?["restores"].clone(), json!("1.0.0"))?;
    let recalled = at("/hook").into_iter().map(|it| it.json()).find(|it| it["event"] == "Recalled");
    let recalled = recalled.context("no recall")?;
    for (field, value) in [
        ("title", json!(format!("Content of shop 2.0.0 was recalled (project {})", project.name))),
        ("reason", json!("lost-orders")),
        ("message", json!("it loses orders")),
        ("owner", json!("team-shop")),
        ("stakeholders", json!(["sales"])),
    ] {
        same(field, &recalled[field], &value)?;
    }
    for (channel, count) in
        [("/slack/T0/s3cret", at("/slack").len()), ("/teams?sig=s3cret", at("/teams").len())]
    {
        same(channel, count, wanted.len())?;
        ensure!(at(channel).len() == count, "{channel}: the whole URL is used");
    }
    let texts: Vec<Value> = at("/slack").iter().map(|it| it.json()["text"].clone()).collect();
    ensure!(
        texts
            .iter()
            .any(|text| text.as_str().is_some_and(|it| it.starts_with("shop 1.0.0 is verified in prod"))),
        "{texts:#?}"
    );
    for event in at("/events") {
        let header = |name: &str| event.headers.get(name).map(String::as_str);
        let body = event.json();
        same("ce-id", header("ce-id"), body["context"]["id"].as_str())?;
        same("ce-type", header("ce-type"), body["context"]["type"].as_str())?;
        same("ce-specversion", header("ce-specversion"), Some("1.0"))?;
        if header("ce-type").is_some_and(|it| it.starts_with("dev.cdevents.")) {
            serde_json::from_value::<CDEvent>(body)?;
        }
    }
    same("events", at("/events").len(), wanted.len())?;
    same("mails", mail.got().len(), wanted.len())?;
    ensure!(
        mail.got().iter().all(|it| it.starts_with("from towpath@example.com to shop@example.com\n")),
        "{:?}",
        mail.got()
    );
    ensure!(!project.operator(|operator| operator.log())?.contains("s3cret"), "a credential is in the log");
    Ok(())
}

async fn channels_that_fail_delay_no_rollback_and_say_why() -> Result<()> {
    let told = Told::begin(&[json!({ "name": "prod" })]).await?;
    let project = &told.project;
    let (healthy, down) = (Receiver::start().await?, Receiver::start().await?);
    down.answers(500, None)?;
    let hanging = Hostile::start(Manner::Hangs).await?;
    let moved =
        Hostile::start(Manner::answer(&format!("302 Found\r\nLocation: {}/moved", healthy.url()), ""))
            .await?;
    told.webhook("healthy", &healthy.url()).await?;
    told.webhook("down", &down.url()).await?;
    told.webhook("hanging", &hanging.url()).await?;
    told.webhook("moved", &moved.url()).await?;
    told.channel(
        "metadata",
        json!({ "webhook": { "url": "http://169.254.169.254/x", "key": "key" }, "allowAddresses": [] }),
    )
    .await?;
    let plain = MailServer::start(Offers::Nothing, false).await?;
    let smtp = json!({ "host": "localhost", "port": plain.address.port(), "from": "a@example.com", "to": ["b@example.com"] });
    told.channel("plain", json!({ "smtp": smtp })).await?;
    told.channel("keyless", json!({ "webhook": { "url": healthy.url(), "key": "gone" } })).await?;
    let all = ["healthy", "down", "hanging", "moved", "metadata", "plain", "keyless"];
    told.notifies(&all).await?;
    project.start_as(&told.flags).await?;
    let first = told.release("1.0.0", "v1").await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let begun = Instant::now();
    let second = told.release("2.0.0", "v2-crash-loop").await?;
    project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
    ensure!(begun.elapsed() < Duration::from_secs(60), "the rollback took {:?}", begun.elapsed());
    let wanted = once(&[
        "prod-shop-1.0.0 Started",
        "prod-shop-1.0.0 Verified",
        "prod-shop-2.0.0 Started",
        "prod-shop-2.0.0 Failed",
        "prod-shop-2.0.0-rollback RollbackStarted",
        "prod-shop-2.0.0-rollback RolledBack",
    ]);
    arrived(&healthy, "everything at the channel that is healthy", &wanted).await?;
    for (channel, words) in [
        ("down", "answers 500"),
        ("hanging", "does not answer within 10 s"),
        ("moved", "answers 302: a redirect is not followed"),
        ("metadata", "169.254.169.254 is an address that is not asked unless spec.allowAddresses lists it"),
        ("plain", "offers no STARTTLS"),
        ("keyless", "the credentials file gone cannot be used"),
    ] {
        let says = |status: &Value| {
            let failing = status["failing"]["message"].as_str().is_some_and(|text| text.contains(words));
            let whole = json!({ "status": status });
            failing && condition(&whole, "Ready").is_some_and(|ready| ready["status"] == "False")
        };
        told.until(channel, words, SOON, says).await?;
    }
    ensure!(plain.got().is_empty(), "a mail was sent without TLS");
    ensure!(healthy.got().iter().all(|it| it.path == "/healthy"), "a redirect was followed");
    // It works again: rollbacks are told first, and the condition says so.
    down.answers(200, None)?;
    arrived(&down, "everything at the channel that works again", &wanted).await?;
    same("each once", counted(&down.got()), wanted)?;
    same(
        "rollbacks first",
        events(&down.got()).get(..2).map(<[String]>::to_vec),
        Some(vec!["RollbackStarted".to_owned(), "RolledBack".to_owned()]),
    )?;
    told.until("down", "it works again", SOON, |status| {
        let whole = json!({ "status": status });
        status["failing"].is_null()
            && condition(&whole, "Ready").is_some_and(|ready| ready["status"] == "True")
    })
    .await?;
    Ok(())
}

/// One story in which a release fails and is rolled back, with a controller that is killed at a write.
async fn killed(kill: Kill) -> Result<()> {
    let mut told = Told::begin(&[json!({ "name": "prod" })]).await?;
    let receiver = Receiver::start().await?;
    told.webhook("hook", &receiver.url()).await?;
    told.notifies(&["hook"]).await?;
    let config = told.project.cluster.admin().config.clone();
    let relay = Relay::start(&config).await?;
    told.flags.server = Some(relay.url().to_owned());
    told.project.start_as(&told.flags).await?;
    let first = told.release("1.0.0", "v1").await?;
    told.project.ended(&format!("prod-{first}"), "Verified").await?;
    relay.arm(Some(kill));
    let second = told.release("2.0.0", "v2-crash-loop").await?;
    let rollback = format!("prod-{second}-rollback");
    let mut second_relay = None;
    tokio::select! {
        () = relay.due() => {
            told.project.operator(Operator::kill)?;
            told.project.free_lease().await?;
            let next = Relay::start(&config).await?;
            told.flags.server = Some(next.url().to_owned());
            second_relay = Some(next);
            told.project.start_as(&told.flags).await?;
            told.project.ended(&rollback, "Verified").await?;
        }
        ended = told.project.ended(&rollback, "Verified") => drop(ended?),
    }
    let wanted = once(&[
        "prod-shop-1.0.0 Started",
        "prod-shop-1.0.0 Verified",
        "prod-shop-2.0.0 Started",
        "prod-shop-2.0.0 Failed",
        "prod-shop-2.0.0-rollback RollbackStarted",
        "prod-shop-2.0.0-rollback RolledBack",
    ]);
    arrived(&receiver, "every notification", &wanted).await.with_context(|| kill.to_string())?;
    let ids = |got: &[Received]| -> BTreeMap<String, String> {
        got.iter().map(|it| (it.json()["id"].to_string(), it.json()["event"].to_string())).collect()
    };
    same("a repeated notification has the id that it had", ids(&receiver.got()).len(), wanted.len())?;
    drop(second_relay);
    Ok(())
}

async fn a_controller_that_is_killed_at_a_write_loses_no_notification() -> Result<()> {
    let side = |write: usize| if write.is_multiple_of(2) { Side::Before } else { Side::After };
    let kills = (1..=14).map(|write| killed(Kill { write, side: side(write) }));
    futures::stream::iter(kills).buffer_unordered(LANES).try_collect::<Vec<()>>().await.map(drop)
}

async fn a_restart_repeats_nothing_and_a_settled_channel_is_not_written() -> Result<()> {
    let told = Told::begin(&[json!({ "name": "prod" })]).await?;
    let project = &told.project;
    let receiver = Receiver::start().await?;
    // What happened before the channel was created is not sent.
    project.start_as(&told.flags).await?;
    let first = told.release("1.0.0", "v1").await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    told.webhook("hook", &receiver.url()).await?;
    told.notifies(&["hook"]).await?;
    told.until("hook", "it is observed", SOON, |status| status["observedGeneration"] == 1).await?;
    let mark = project.cluster.audit()?.mark().await?;
    let second = told.release("2.0.0", "v2").await?;
    let ended = project.ended(&format!("prod-{second}"), "Verified").await?;
    let wanted = once(&["prod-shop-2.0.0 Started", "prod-shop-2.0.0 Verified"]);
    arrived(&receiver, "both notifications", &wanted).await?;
    let last: Timestamp = ended["status"]["finishedAt"].as_str().context("no end")?.parse()?;
    let covers = |status: &Value| {
        let through = status["through"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        through.is_some_and(|through| through > last)
    };
    told.until("hook", "the cursor covers the last notification", SETTLED, covers).await?;
    let name = told.name("hook");
    let writes = project.cluster.audit()?.since(mark).await?;
    let writes = writes
        .iter()
        .filter(|event| event.resource == "channels" && event.name == name && event.verb == "patch");
    let writes = writes.count();
    ensure!((1..=3).contains(&writes), "{writes} writes of the status");
    let before = told.status("hook").await?;
    project.operator(Operator::kill)?;
    project.free_lease().await?;
    project.start_as(&told.flags).await?;
    let third = told.release("3.0.0", "v3").await?;
    project.ended(&format!("prod-{third}"), "Verified").await?;
    let wanted = once(&[
        "prod-shop-2.0.0 Started",
        "prod-shop-2.0.0 Verified",
        "prod-shop-3.0.0 Started",
        "prod-shop-3.0.0 Verified",
    ]);
    arrived(&receiver, "the next notifications", &wanted).await?;
    same("each once", counted(&receiver.got()), wanted)?;
    same("the status", told.status("hook").await?, before)
}

async fn an_environment_reports_a_channel_that_it_cannot_use_and_goes_on() -> Result<()> {
    let told = Told::begin(&[json!({ "name": "prod" })]).await?;
    let project = &told.project;
    project.start_as(&told.flags).await?;
    told.notifies(&["late"]).await?;
    let name = told.name("late");
    let found = project.condition("environments", "prod", "NotifyIneffective", "True", "NotFound").await?;
    let message = found["status"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains(&format!("spec.notify names {name}, which is no Channel")), "{message}");
    let first = told.release("1.0.0", "v1").await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let second = told.release("2.0.0", "v2-crash-loop").await?;
    project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
    let receiver = Receiver::start().await?;
    let others = json!({ "webhook": { "url": receiver.url(), "key": "key" }, "projects": ["another"] });
    told.channel("late", others).await?;
    let says = |it: &Value| {
        it["status"]["message"].as_str().is_some_and(|text| text.contains("which is not for project"))
    };
    project.until("environments", "prod", "the channel is not for this project", says).await?;
    let path = format!("{CHANNELS}/{name}");
    let serves = json!({ "spec": { "projects": [project.name] } });
    project.send(Method::PATCH, &path, "application/merge-patch+json", serves).await?;
    let is_gone = |it: &Value| condition(it, "NotifyIneffective").is_none();
    project.until("environments", "prod", "the channel can be used", is_gone).await?;
    let third = told.release("3.0.0", "v3").await?;
    project.ended(&format!("prod-{third}"), "Verified").await?;
    arrived(&receiver, "what follows", &once(&["prod-shop-3.0.0 Started", "prod-shop-3.0.0 Verified"])).await
}

/// The image of the controller is newer than its ClusterRole.
async fn a_controller_that_may_not_list_channels_promotes_and_says_so() -> Result<()> {
    let mut told = Told::begin(&[json!({ "name": "prod" })]).await?;
    let receiver = Receiver::start().await?;
    told.webhook("hook", &receiver.url()).await?;
    told.notifies(&["hook"]).await?;
    let relay = Relay::start(&told.project.cluster.admin().config.clone()).await?;
    relay.forbids(Some("channels"));
    told.flags.server = Some(relay.url().to_owned());
    let project = &told.project;
    project.start_as(&told.flags).await?;
    let first = told.release("1.0.0", "v1").await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    let second = told.release("2.0.0", "v2-crash-loop").await?;
    project.ended(&format!("prod-{second}-rollback"), "Verified").await?;
    let found = project.condition("environments", "prod", "NotifyIneffective", "True", "NotFound").await?;
    let message = found["status"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains("the controller cannot list Channels"), "{message}");
    ensure!(
        project.operator(|operator| operator.log())?.contains("Channels cannot be listed"),
        "the log says so"
    );
    relay.forbids(None);
    let is_gone = |it: &Value| condition(it, "NotifyIneffective").is_none();
    project.until("environments", "prod", "the right was granted", is_gone).await?;
    let wanted = once(&["prod-shop-2.0.0-rollback RolledBack", "prod-shop-1.0.0 Verified"]);
    arrived(&receiver, "what happened until then", &wanted).await
}
