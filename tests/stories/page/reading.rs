//! What the page shows: every place of it, live, for people who use it with other senses and devices, too.

use super::{Ui, pictured, show};
use crate::plugin::viewer;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::browser::Browser;
use support::in_project;
use support::objects::deployment;

support::stories![
    every_page_shows_the_project_and_is_accessible,
    a_change_is_on_a_visible_page_when_it_asks_next,
    markup_in_every_field_that_people_write_is_text,
];

async fn every_page_shows_the_project_and_is_accessible() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "approvals": { "required": 1 } });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("dev-{first}"), "Verified").await?;
        let bad = project.release("2.0.0", &[deployment("web", "v2-crash-loop", None)]).await?;
        project.ended(&format!("dev-{bad}-rollback"), "Verified").await?;
        let (ui, browser) = (Ui::start(project, &vera).await?, Browser::start().await?);
        let tab = ui.open(&browser).await?;
        let name = &project.name;
        for (path, title, words) in [
            ("", "Board of", &["shop", "1.0.0", "prod", "Approval"][..]),
            ("/waiting", "Waiting in", &["For you", "Nothing waits for you", &first]),
            ("/calendar", "Calendar", &["Time zone", "promotion"]),
            ("/calendar?view=week&zone=Europe/Berlin", "Week of", &["Europe/Berlin"]),
            ("/delivery", "Delivery of", &["deployed", "dev"]),
            (
                &format!("/release/{first}"),
                "shop 1.0.0",
                &["Time line", "Environments now", "Approval", "What happened"],
            ),
            (&format!("/release/{bad}"), "RolledBack", &["Incidents", "CrashLoopBackOff"]),
            ("/environment/dev", "dev", &["History", "revision 1", "What runs"]),
            (&format!("/promotion/dev-{bad}"), "Failed", &["What happened", "Rollout"]),
            ("/release/nothing", "No release nothing", &["may have been deleted"]),
        ] {
            show(&tab, &format!("/{name}{path}"), title).await?;
            for word in words {
                tab.says(word).await?;
            }
            match path {
                "" => pictured(&tab, project, "board").await?,
                _ if title == "RolledBack" => pictured(&tab, project, "release").await?,
                "/calendar" => pictured(&tab, project, "calendar").await?,
                _ => {}
            }
            for scheme in ["light", "dark"] {
                tab.colours(scheme).await?;
                tab.accessible().await.map_err(|error| error.context(format!("{path} in {scheme}")))?;
            }
        }
        show(&tab, &format!("/{name}/release/{bad}"), "RolledBack").await?;
        tab.click("[data-act='review']", "").await?;
        tab.fill("#outcome", "Failed").await?;
        tab.says("vera lacks the verb create on reviews.towpath.dev").await?;
        tab.accessible().await
    })
    .await
}

async fn a_change_is_on_a_visible_page_when_it_asks_next() -> Result<()> {
    in_project(&[json!({ "name": "dev" })], async |project| {
        let vera = viewer(project).await?;
        let (ui, browser) = (Ui::start(project, &vera).await?, Browser::start().await?);
        let tab = ui.open(&browser).await?;
        tab.says("Nothing was promoted yet").await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let is_known = |it: &Value| it["status"]["applications"][0]["name"] == "shop";
        project.until("environments", "dev", "knows the application", is_known).await?;
        // It asks once a second, and the server is told of changes: on a machine without other load, this is within two seconds.
        let count = "window.asked = 0; window.asks = window.fetch; \
            window.fetch = (...all) => { window.asked += 1; return window.asks(...all); }; true";
        tab.value(count).await?;
        tab.until("Boolean(document.getElementById('app-shop'))").await?;
        let asked = tab.value("window.asked").await?.as_u64().unwrap_or(u64::MAX);
        ensure!(asked <= 4, "it asked {asked} times until it showed the change");
        // What a person chose and where the focus is stays, whatever is replaced.
        tab.fill("#filter", "sho").await?;
        project.ended(&format!("dev-{first}"), "Verified").await?;
        tab.says("Verified").await?;
        let kept = "document.activeElement.id === 'filter' && document.activeElement.value === 'sho'";
        tab.until(kept).await?;
        tab.fill("#filter", "nothing of the kind").await?;
        tab.until("document.getElementById('app-shop').hidden").await
    })
    .await
}

async fn markup_in_every_field_that_people_write_is_text() -> Result<()> {
    const EVIL: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>\u{202e}";
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let link = json!({ "title": EVIL, "url": "https://wiki.example/x" });
        let change = json!({ "summary": EVIL, "owner": EVIL, "tickets": [EVIL], "links": [link] });
        let source = json!({ "manifests": [deployment("web", "v1", None)] });
        let release =
            project.release_of("shop", "1.0.0", json!({ "source": source, "change": change })).await?;
        let waits = |it: &Value| it["status"]["approvals"]["of"]["digest"].is_string();
        let promotion = format!("prod-{release}");
        project.until("promotions", &promotion, "waits for an approval", waits).await?;
        let rita = project.person("rita", &[], &["towpath-reviewer", "towpath-environment-admin"]).await?;
        let review = json!({ "release": release, "outcome": "Failed", "notes": EVIL, "actions": [EVIL] });
        rita.create(project, "reviews", "evil", review).await?;
        let freeze = json!({ "from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z", "reason": EVIL });
        rita.create(project, "changefreezes", "evil", freeze).await?;
        let vera = viewer(project).await?;
        let (ui, browser) = (Ui::start(project, &vera).await?, Browser::start().await?);
        let tab = ui.open(&browser).await?;
        let name = &project.name;
        for (path, title) in [
            (String::new(), "Board of"),
            ("/waiting".into(), "Waiting in"),
            ("/calendar".into(), "Calendar"),
            (format!("/release/{release}"), "shop 1.0.0"),
            ("/environment/prod".into(), "prod"),
            (format!("/promotion/{promotion}"), "Pending"),
        ] {
            show(&tab, &format!("/{name}{path}"), title).await?;
            let hurt = tab
                .value("window.hacked || document.querySelectorAll('main img, main script').length")
                .await?;
            ensure!(hurt == json!(0), "{path}: {hurt}");
        }
        show(&tab, &format!("/{name}/release/{release}"), "shop 1.0.0").await?;
        tab.says("<img src=x").await
    })
    .await
}
