//! `status --wait`: watches one object until it has ended, or until only a person can go on.

use super::{Kind, Seen};
use crate::api::{Duration, Environment, Promotion, Release};
use crate::cli::drawing::Drawing;
use crate::user::live::Live;
use crate::user::reader::{Reader, cached};
use crate::view::status::{Pods, with_pods};
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

const TIMED_OUT: u8 = 12;
/// An end of the output is no verdict.
const CLOSED: &str = "the output was closed before the wait ended";

/// Watches until it has ended. On a terminal the tree is drawn in its place; else what changed is written.
pub(super) async fn wait(
    reader: &Reader,
    kind: Kind,
    name: &str,
    limit: Option<Duration>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut drawing = Drawing::of_tree();
    let mut live = Live::new(reader);
    live.watch::<Environment>("");
    live.watch::<Promotion>(&kind.promotions(name));
    if kind == Kind::Release {
        live.watch::<Release>(&format!("metadata.name={name}"));
    }
    let mut is_listed = false;
    loop {
        let left = limit.map(|limit| std::time::Duration::from(limit).saturating_sub(begun.elapsed()));
        let pause = [left, drawing.tick().filter(|_| is_listed)].into_iter().flatten().min();
        let changed = match pause {
            Some(pause) => tokio::time::timeout(pause, live.change()).await.ok(),
            None => Some(live.change().await),
        };
        is_listed |= changed.transpose()?.is_some();
        let is_over = limit.is_some_and(|limit| begun.elapsed() >= std::time::Duration::from(limit));
        if is_listed {
            let seen = seen(reader, &live, kind);
            live.watch_pods(&with_pods(&seen.project).into_values().collect::<Vec<_>>());
            let Some((tree, outlook)) = seen.shown(kind, name, &pods(&live, &seen), reader.now()) else {
                let unreadable = match kind {
                    Kind::Release => live.unreadable::<Release>(name),
                    Kind::Environment => live.unreadable::<Environment>(name),
                    Kind::Promotion => live.unreadable::<Promotion>(name),
                };
                if let Some(sentence) = unreadable {
                    bail!(sentence);
                }
                bail!("{name} was deleted while it was waited for");
            };
            let code = outlook.exit_code();
            let is_last = code.is_some() || is_over;
            let note = live.note(drawing.is_on_terminal());
            drawing.draw(|layout| tree.lines(layout), note, is_last, out, CLOSED)?;
            if let Some(code) = code {
                return Ok(ExitCode::from(code));
            }
        }
        if let Some(limit) = limit.filter(|_| is_over) {
            writeln!(std::io::stderr(), "{name} has not ended within {limit}")?;
            return Ok(ExitCode::from(TIMED_OUT));
        }
    }
}

fn seen(reader: &Reader, live: &Live, kind: Kind) -> Seen {
    let release = match kind {
        Kind::Release => live.objects::<Release>().pop().map(|release| cached(Release::clone(&release))),
        Kind::Environment | Kind::Promotion => None,
    };
    let releases = release.iter().cloned().collect();
    Seen { project: reader.assembled(live.objects(), live.objects(), releases), release }
}

fn pods(live: &Live, seen: &Seen) -> Pods {
    let shown = with_pods(&seen.project);
    shown.into_iter().map(|(environment, namespace)| (environment, live.pods(&namespace))).collect()
}
