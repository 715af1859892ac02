//! What people do on the page: with their rights, and without them.

use super::{Ui, pictured, show};
use crate::plugin::viewer;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::browser::{Browser, Tab};
use support::objects::deployment;
use support::{Project, in_project};

support::stories![
    a_release_is_approved_with_the_keyboard_alone,
    who_lacks_a_right_reads_which_one_and_nothing_is_written,
    a_release_manager_does_everything_on_the_page,
];

/// Waits until the release waits for an approval in prod.
async fn awaits_approval(project: &Project, release: &str) -> Result<()> {
    let waits = |it: &Value| it["status"]["approvals"]["of"]["digest"].is_string();
    project.until("promotions", &format!("prod-{release}"), "waits for an approval", waits).await.map(drop)
}

async fn a_release_is_approved_with_the_keyboard_alone() -> Result<()> {
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let anna = project.person("anna", &[], &["towpath-viewer", "towpath-approver"]).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        awaits_approval(project, &release).await?;
        let (ui, browser) = (Ui::start(project, &anna).await?, Browser::start().await?);
        let tab = ui.open(&browser).await?;
        tab.says("Approval").await?;
        tab.focus("it.tagName === 'A' && it.textContent.startsWith('Waiting')").await?;
        tab.press("Enter").await?;
        tab.says("For you").await?;
        tab.focus("it.dataset.act === 'approve'").await?;
        tab.press("Enter").await?;
        tab.says("Cancel").await?;
        tab.until("document.activeElement.id === 'reason'").await?;
        tab.accessible().await?;
        pictured(&tab, project, "approve").await?;
        tab.write("read it").await?;
        tab.focus("it.type === 'submit'").await?;
        tab.press("Enter").await?;
        tab.says("created").await?;
        // The focus is on what is left to do, and comes back to the page.
        tab.until("document.activeElement.textContent === 'Close'").await?;
        tab.press("Escape").await?;
        tab.until("document.getElementById('dialog').open === false").await?;
        let found = project.ended(&format!("prod-{release}"), "Verified").await?;
        let approved = &found["status"]["approvals"]["approved"][0];
        ensure!(approved["by"] == "anna" && approved["comment"] == "read it", "{approved}");
        Ok(())
    })
    .await
}

async fn who_lacks_a_right_reads_which_one_and_nothing_is_written() -> Result<()> {
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let vera = viewer(project).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        awaits_approval(project, &release).await?;
        let (ui, browser) = (Ui::start(project, &vera).await?, Browser::start().await?);
        let tab = ui.open(&browser).await?;
        show(&tab, &format!("/{}/release/{release}", project.name), "shop 1.0.0").await?;
        for (action, right) in [
            ("approve", "approve on environments.towpath.dev \"prod\""),
            ("hold", "rollback on all environments.towpath.dev"),
            ("recall", "create on recalls.towpath.dev"),
            ("override", "override on environments.towpath.dev \"prod\""),
        ] {
            tab.click(&format!("[data-act='{action}']"), "").await?;
            tab.until("document.getElementById('dialog').open").await?;
            if action == "override" {
                tab.click("#dialog [name='gate'][value='Approval']", "").await?;
            }
            tab.fill("#reason", "it must").await?;
            tab.says(right).await?;
            tab.says("kubectl create rolebinding").await?;
            tab.click("#dialog button[type='submit']", "").await?;
            tab.until("Boolean(document.querySelector('#dialog [role=alert]'))").await?;
            tab.press("Escape").await?;
            tab.until("document.getElementById('dialog').open === false").await?;
        }
        // What is in progress is not reviewed yet.
        tab.click("[data-act='review']", "").await?;
        tab.fill("#outcome", "Failed").await?;
        tab.says("has not ended: review it when it has").await?;
        for plural in ["approvals", "recalls", "reviews"] {
            let found = project.all(plural).await?;
            ensure!(found.is_empty(), "{plural}: {found:?}");
        }
        Ok(())
    })
    .await
}

/// Opens the dialog of an action, fills it in, and sends it.
async fn act(tab: &Tab, selector: &str, fields: &[(&str, &str)]) -> Result<()> {
    tab.click(selector, "").await?;
    tab.until("document.getElementById('dialog').open").await?;
    for (field, value) in fields {
        tab.fill(field, value).await?;
    }
    tab.says("Manifest").await?;
    tab.click("#dialog button[type='submit']", "").await?;
    tab.until("Boolean(document.querySelector('#dialog .good[role=status]'))").await?;
    tab.click("#dialog [data-close]", "").await?;
    tab.until("document.getElementById('dialog').open === false").await
}

async fn a_release_manager_does_everything_on_the_page() -> Result<()> {
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let roles = [
            "towpath-viewer",
            "towpath-requester",
            "towpath-approver",
            "towpath-reviewer",
            "towpath-oncall",
            "towpath-environment-admin",
        ];
        let mara = project.person("mara", &[], &roles).await?;
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        awaits_approval(project, &first).await?;
        let (ui, browser) = (Ui::start(project, &mara).await?, Browser::start().await?);
        let tab = ui.open(&browser).await?;
        let (name, release) = (&project.name, |it: &str| format!("/{}/release/{it}", project.name));

        show(&tab, &release(&first), "shop 1.0.0").await?;
        act(&tab, "[data-act='approve']", &[("#reason", "good")]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;

        let second = project.release("2.0.0", &[deployment("web", "v2", None)]).await?;
        awaits_approval(project, &second).await?;
        show(&tab, &release(&second), "shop 2.0.0").await?;
        act(&tab, "[data-act='hold']", &[("#reason", "wait for the data")]).await?;
        act(&tab, "[data-act='resume']", &[]).await?;
        act(&tab, "[data-act='reject']", &[("#reason", "not yet")]).await?;
        tab.says("not yet").await?;
        tab.click("[data-act='override']", "").await?;
        tab.click("#dialog [name='gate'][value='Approval']", "").await?;
        tab.fill("#reason", "urgent").await?;
        tab.says("Manifest").await?;
        tab.click("#dialog button[type='submit']", "").await?;
        tab.says("created").await?;
        tab.press("Escape").await?;
        let runs = |it: &Value| it["status"]["applications"][0]["current"]["version"] == "2.0.0";
        project.until("environments", "prod", "runs 2.0.0", runs).await?;

        show(&tab, &format!("/{name}/environment/prod"), "prod").await?;
        tab.until("Boolean(document.querySelector('td [data-act=rollback]'))").await?;
        act(&tab, "td [data-act='rollback']", &[("#reason", "the data is wrong")]).await?;
        let back = |it: &Value| it["status"]["applications"][0]["current"]["version"] == "1.0.0";
        project.until("environments", "prod", "runs 1.0.0 again", back).await?;

        show(&tab, &release(&second), "shop 2.0.0").await?;
        act(
            &tab,
            "[data-act='review']",
            &[("#outcome", "Failed"), ("#reason", "bad data"), ("#actions", "check the data")],
        )
        .await?;
        tab.says("Failed by mara").await?;
        act(&tab, "[data-act='recall']", &[("#reason", "never again")]).await?;

        show(&tab, &format!("/{name}/calendar"), "Calendar").await?;
        act(&tab, "[data-act='freeze']", &[("#until", "2099-01-01T00:00"), ("#reason", "holidays")]).await?;
        tab.says("holidays").await?;
        act(&tab, "[data-act='unfreeze']", &[]).await?;
        tab.until("!document.querySelector(\"[data-act='unfreeze']\")").await
    })
    .await
}
