//! Is every situation of the catalogue judged as it should be? One story for each, made from `catalogue/`; the form of the data is
//! in `support::judgement`.

use anyhow::{Result, bail};
use support::in_project;
use support::judgement::situation::Node;
use support::judgement::{Situation, Timing, catalogue, play};
use support::story::Story;

/// The stories of the catalogue. One that cannot be read is a story that fails.
pub fn stories() -> Vec<Story> {
    let name = |story: &str| format!("{}::{story}", module_path!());
    match catalogue() {
        Ok(all) => all.into_iter().map(|situation| told(&name(&situation.story()), situation)).collect(),
        Err(error) => {
            let text = format!("{error:#}");
            let fails = move || {
                let text = text.clone();
                Box::pin(async move { bail!(text) }) as _
            };
            vec![Story::new(name("the_catalogue_can_be_read"), fails)]
        }
    }
}

fn told(name: &str, situation: Situation) -> Story {
    match situation.node {
        Node::Played => Story::new(name, move || Box::pin(is_judged_right(situation.clone()))),
        Node::Real => Story::on_a_node(name, move || Box::pin(is_judged_right(situation.clone()))),
    }
}

async fn is_judged_right(situation: Situation) -> Result<()> {
    in_project(&[], async |project| {
        let played = play(project, &situation, &Timing::earliest()).await?;
        if !played.faults.is_empty() {
            bail!("{}:\n- {}", situation.name, played.faults.join("\n- "));
        }
        Ok(())
    })
    .await
}
