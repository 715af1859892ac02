//! `cargo demo`: a release on its way to prod, and three that come back, on a real control plane, in about a minute. With
//! `--real` its pods are containers, and it shows what they answer.
//!
//! The controller is this program again, started as `controller ...`, with the token of the chart's own ServiceAccount:
//! it may do exactly what a cluster that installed the chart would let it do. So is the plugin of kubectl, by way of a link that is called
//! `kubectl-towpath`.

mod approvers;
mod board;
mod containers;
mod installation;
mod ledger;
mod metrics;
mod running;
mod screen;
mod story;
mod telling;

use anyhow::Result;
use board::Follower;
use installation::Installation;
use screen::Screen;
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "usage: cargo demo [--real | --keep | --ui]

  --real   run real containers on a real node, and show what they answer (Linux, as root)
  --keep   leave the control plane and the controller running, and say how to use and to end them
  --ui     the same, and serve the page of the project until Ctrl-C is pressed";

/// How the demo is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Played,
    /// A real node ends with this program, which is its way to the API server; so it cannot be kept.
    Real,
    Kept,
    /// Kept, with the page on it.
    Page,
}

fn main() -> ExitCode {
    if std::env::args().next().is_some_and(|program| program.ends_with("/kubectl-towpath")) {
        return towpath::cli::plugin();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["controller", ..] => towpath::cli::main(),
        [] => demo(Mode::Played),
        ["--real"] => demo(Mode::Real),
        ["--keep"] => demo(Mode::Kept),
        ["--ui"] => demo(Mode::Page),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn demo(mode: Mode) -> ExitCode {
    if let (Mode::Real, Some(lacking)) = (mode, control_plane::lacking()) {
        eprintln!("{lacking}; `cargo demo` plays its pods and needs none");
        return ExitCode::FAILURE;
    }
    let screen = Arc::new(Screen::new());
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(show(&screen, mode)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.close();
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(screen: &Arc<Screen>, mode: Mode) -> Result<()> {
    screen.title("Towpath: one release reaches prod, three come back");
    let keep = matches!(mode, Mode::Kept | Mode::Page);
    let (installation, mut controller) = Installation::start(screen, keep, mode == Mode::Real).await?;
    let told = tokio::select! {
        told = tell(screen, &installation) => told,
        ended = controller.wait() => Err(anyhow::anyhow!("the controller ended: {}", ended?)),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("it was interrupted")),
    };
    if let Err(error) = told {
        screen.close();
        eprintln!("\n{}", installation.logs());
        // One that was to be kept does not end by itself.
        let _ = controller.kill().await;
        return Err(error);
    }
    if !keep {
        return Ok(());
    }
    let kept = installation.keep(screen, &controller)?;
    if mode == Mode::Page { kept.page().await } else { Ok(()) }
}

async fn tell(screen: &Arc<Screen>, installation: &Installation) -> Result<()> {
    let follower = Follower::start(installation.cluster.admin().client()?, Arc::clone(screen));
    let mark = installation.cluster.audit()?.mark().await?;
    let story = story::Story { screen, installation, follower: &follower };
    let acts = story.tell().await?;
    let board = follower.board();
    screen.close();
    ledger::print(screen, installation, &board, &acts, mark).await
}
