//! `cargo bench --bench judgement`: the table of judgement. Every situation of the catalogue is played many times with times that a
//! seed chooses, many side by side, on a real control plane with played pods.
//!
//! It prints how often each class of situations was judged how, every situation that was judged wrongly, and for bad releases the
//! time from the first failing pod that the API shows to the record of the failure, in raw writes of the same run.
//!
//! Then it judges as many releases by their metrics, with a real Prometheus: see [`checks`].
//!
//! TOWPATH_VARIATIONS=3 plays each situation three times, TOWPATH_SEED=7 with other times, TOWPATH_SITUATIONS=quota only those whose
//! name contains the word, TOWPATH_AT_A_TIME=8 fewer side by side. No run starts after TOWPATH_MINUTES=30.

mod checks;

use anyhow::{Context, Result};
use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::figures::{median, raw_writes};
use support::judgement::situation::{End, Node};
use support::judgement::{Class, Judged, Played, Situation, Timing, catalogue, play};
use support::{in_project, installation, operator};
use tokio::runtime::Runtime;

const VARIATIONS: u64 = 20;
const AT_A_TIME: u64 = 16;
const MINUTES: u64 = 120;
/// Releases whose metrics are judged.
const RELEASES: u64 = 200;
/// After so many runs it says how far it is.
const PROGRESS: usize = 50;
/// Between two series of raw writes.
const PAUSE: Duration = Duration::from_secs(5);
const CLASSES: [(Class, &str); 3] = [(Class::Good, "good"), (Class::Bad, "bad"), (Class::Wait, "wait")];
const JUDGED: [Judged; 6] = [
    Judged::Verified,
    Judged::RolledBack,
    Judged::RollbackFailed,
    Judged::Failed,
    Judged::Ended,
    Judged::Waits,
];

/// One run of one situation.
struct Run {
    situation: usize,
    seed: u64,
    played: Result<Played>,
}

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    operator::use_program(env!("CARGO_BIN_EXE_towpath"));
    let wanted = std::env::var("TOWPATH_SITUATIONS").unwrap_or_default();
    let mut situations = catalogue()?;
    situations.retain(|it| it.node == Node::Played && it.story().contains(&wanted.replace(' ', "_")));
    let (variations, seed) = (number("TOWPATH_VARIATIONS", VARIATIONS)?, number("TOWPATH_SEED", 1)?);
    let queue: VecDeque<(usize, u64)> = (0..variations)
        .flat_map(|variation| (0..situations.len()).map(move |index| (index, seed + variation)))
        .collect();
    installation::use_projects(queue.len());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let begun = Instant::now();
    let (runs, raw) = play_all(&runtime, &situations, queue)?;
    println!(
        "{} situations, {variations} times each, seeds from {seed}, {:.0} s\n",
        situations.len(),
        begun.elapsed().as_secs_f64()
    );
    matrix(&situations, &runs);
    verdicts(&situations, &runs, median(raw));
    wrong(&situations, &runs);
    println!("{}", runtime.block_on(checks::table(number("TOWPATH_RELEASES", RELEASES)?, seed))?);
    installation::end();
    Ok(())
}

fn number(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is not a number")),
        Err(_) => Ok(default),
    }
}

/// The runs, and what raw writes took beside them.
fn play_all(
    runtime: &Runtime,
    situations: &[Situation],
    queue: VecDeque<(usize, u64)>,
) -> Result<(Vec<Run>, Vec<f64>)> {
    let cluster = runtime.block_on(installation::installed())?;
    let (queue, runs, over) = (Mutex::new(queue), Mutex::new(Vec::new()), AtomicBool::new(false));
    let at_a_time = number("TOWPATH_AT_A_TIME", AT_A_TIME)?;
    let (begun, limit) = (Instant::now(), Duration::from_secs(60 * number("TOWPATH_MINUTES", MINUTES)?));
    let raw = std::thread::scope(|scope| {
        let raw = scope.spawn(|| {
            runtime.block_on(async {
                let (client, mut all) = (cluster.admin().client()?, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    all.extend(raw_writes(&client, "default").await?);
                    tokio::time::sleep(PAUSE).await;
                }
                anyhow::Ok(all)
            })
        });
        let players: Vec<_> = (0..at_a_time)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        // The lock is free again while the situation is played.
                        let next = lock(&queue).pop_front().filter(|_| begun.elapsed() < limit);
                        let Some((situation, seed)) = next else { return };
                        let timing = Timing::seeded(seed, &situations[situation].name);
                        let played = runtime.block_on(play_one(&situations[situation], &timing));
                        let mut runs = lock(&runs);
                        runs.push(Run { situation, seed, played });
                        if runs.len().is_multiple_of(PROGRESS) {
                            eprintln!("{} runs", runs.len());
                        }
                    }
                })
            })
            .collect();
        for player in players {
            player.join().map_err(|_| anyhow::anyhow!("a player panicked"))?;
        }
        over.store(true, Ordering::Relaxed);
        raw.join().map_err(|_| anyhow::anyhow!("the raw writer panicked"))?
    })?;
    Ok((runs.into_inner().unwrap_or_else(PoisonError::into_inner), raw))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn play_one(situation: &Situation, timing: &Timing) -> Result<Played> {
    let mut outcome = None;
    in_project(&[], async |project| {
        outcome = Some(play(project, situation, timing).await);
        project.remove().await
    })
    .await?;
    outcome.context("it was not played")?
}

fn matrix(situations: &[Situation], runs: &[Run]) {
    print!("{:<10} {:>6}", "expected", "runs");
    JUDGED.iter().for_each(|judged| print!(" {:>15}", judged.to_string()));
    println!(" {:>8}", "broken");
    for (class, name) in CLASSES {
        let mine: Vec<&Run> = runs.iter().filter(|run| situations[run.situation].class() == class).collect();
        print!("{name:<10} {:>6}", mine.len());
        for judged in JUDGED {
            let so =
                mine.iter().filter(|run| run.played.as_ref().is_ok_and(|played| played.judged == judged));
            print!(" {:>15}", so.count());
        }
        println!(" {:>8}", mine.iter().filter(|run| run.played.is_err()).count());
    }
    let count = |so: &dyn Fn(&Situation, &Played) -> bool| {
        let judged =
            |run: &&Run| run.played.as_ref().is_ok_and(|played| so(&situations[run.situation], played));
        runs.iter().filter(judged).count()
    };
    let is_back = |end| matches!(end, Some(End::RolledBack | End::RollbackFailed));
    let false_rollbacks = count(&|situation, played| {
        matches!(played.judged, Judged::RolledBack | Judged::RollbackFailed) && !is_back(situation.ends)
    });
    let missed = count(&|situation, played| {
        (is_back(situation.ends) || situation.class() == Class::Bad)
            && matches!(played.judged, Judged::Verified | Judged::Waits | Judged::Ended)
    });
    let unexplained =
        count(&|situation, played| situation.class() == Class::Wait && !played.faults.is_empty());
    println!("\nfalse rollbacks {false_rollbacks:>6}");
    println!("missed failures {missed:>6}");
    println!("waits without the right words or end {unexplained:>6}\n");
}

fn verdicts(situations: &[Situation], runs: &[Run], raw: f64) {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for run in runs.iter().filter(|run| situations[run.situation].class() == Class::Bad) {
        let Some(took) = run.played.as_ref().ok().and_then(|played| played.verdict) else { continue };
        let took = took.as_secs_f64() * 1000.0 / raw;
        let reason = situations[run.situation].reason.first().cloned().unwrap_or_default();
        times.entry(reason).or_default().push(took);
        times.entry(" all of them".into()).or_default().push(took);
    }
    println!("raw write, round trip, beside the runs  {raw:>8.1} ms    median");
    println!("failing pod visible -> record of the failure, in raw writes");
    for (reason, mut took) in times {
        took.sort_by(f64::total_cmp);
        let worst = took.get(took.len() * 95 / 100).copied().unwrap_or(f64::NAN);
        println!(
            "    {:<30} {:>8.1} median, {worst:>8.1} for 95 of 100, {:>5} runs",
            reason.trim(),
            median(took.clone()),
            took.len()
        );
    }
}

fn wrong(situations: &[Situation], runs: &[Run]) {
    println!();
    for (index, situation) in situations.iter().enumerate() {
        let mine = || runs.iter().filter(move |run| run.situation == index);
        let fault = |run: &Run| match &run.played {
            Ok(played) if played.faults.is_empty() => None,
            Ok(played) => Some(played.faults.join("\n    ")),
            Err(error) => Some(format!("{error:#}")),
        };
        let faults: Vec<(u64, String)> = mine().filter_map(|run| Some((run.seed, fault(run)?))).collect();
        if let Some((seed, text)) = faults.first() {
            println!("wrong {} of {}: {}", faults.len(), mine().count(), situation.name);
            println!("    seed {seed}: {text}");
        }
    }
}
