//! The checks of a promotion: asked once before the first write, and measured from the end of the rollout to the end of the observe
//! window.
//!
//! Invariant: a failing measurement is in the record before anything follows from it, and a passing one costs no write. A rollback is not
//! measured: its content passed before.

use super::check_reports::put;
use super::outcome::{Outcome, Turn};
use super::refusal::refuse;
use super::steps::observing;
use super::{Decision, RETRY, Scene, tries};
use crate::api::{
    Check, CheckReport, CheckTime, FailureAction, Meta, PromotionStatus, Reason, RollbackPolicySpec, Verdict,
};
use crate::content::Desired;
use crate::decide::checks::{Asker, End, Round, Span, ask, of_staying_pods};
use crate::decide::conditions::cut;
use crate::decide::decision::{Action, Question};
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::{Assessed, Phase, Tally};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How long an answer from before the first write counts.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The checks in the observe window, with what was measured since the last pass.
pub(super) struct Checks<'a> {
    rounds: Vec<Round<'a>>,
    questions: BTreeMap<&'a str, Result<Question, String>>,
    span: Span,
}

/// What the checks say when the observe window has ended and everything is healthy.
pub(super) enum Evidence {
    /// Every check passed.
    Complete,
    /// At least one needs further measurements.
    Open,
    /// At least one says nothing.
    Missing { reason: Reason, message: String },
}

impl<'a> Checks<'a> {
    /// The checks of the policy. None count if a user accepted the release without them.
    pub fn of(scene: &'a Scene<'_>, wanted: &[Desired], since: Timestamp, until: Timestamp) -> Self {
        let span = Span { since, until: Some(until), held: false };
        let rounds = rounds(scene, Phase::During);
        let asker = asker(scene, wanted, Some(since));
        let questions = rounds.iter().map(|it| (it.check.name.as_str(), ask(it.check, &asker))).collect();
        Self { rounds, questions, span }
    }

    /// The same for a promotion that goes on after its window for another reason: measurements go on, too.
    pub fn held(self, held: bool) -> Self {
        Self { span: Span { held, ..self.span }, ..self }
    }

    /// The outcome if a check failed, and the action of that check.
    pub fn failed(&self) -> Option<(Outcome, Option<FailureAction>)> {
        let round = self.deciding().find(|round| round.has_failed())?;
        let last = round.tally.last.as_ref().map(|last| last.message.clone());
        let said = last.or_else(|| round.recorded?.message.clone()).unwrap_or_default();
        let times = match round.tally.failed {
            0 | 1 => String::new(),
            count => format!(" ({count} failing measurements)"),
        };
        let message = format!("check {}: {said}{times}", round.check.name);
        Some((Outcome::Failed { reason: Reason::CheckFailed, message }, round.check.on_failure))
    }

    /// The decision about a failed check, with the measurements.
    pub fn recorded(&self, scene: &Scene<'_>, decision: Decision) -> Decision {
        // The rollback is created in this pass, and the promotion ends when it has started: until then the record needs the measurement.
        let memory = decision.memory.is_none().then(|| self.news(scene, None)).flatten();
        let counted = self.rounds.iter().filter(|round| round.is_new).map(|round| Action::MarkMeasured {
            phase: Phase::During,
            check: round.check.name.clone(),
            tally: round.tally.clone(),
        });
        let actions = decision.actions.iter().cloned().chain(counted).collect();
        Decision { memory: decision.memory.or(memory), actions, ..decision }
    }

    /// What follows when the observe window has ended and everything is healthy.
    pub fn evidence(&self) -> Evidence {
        let ends: Vec<(&Round<'_>, End)> =
            self.deciding().map(|round| (round, round.end(self.span.until))).collect();
        if ends.iter().any(|(_, end)| *end == End::Open) {
            return Evidence::Open;
        }
        let missing = ends.iter().find(|(_, end)| *end != End::Passed);
        let Some((round, end)) = missing else { return Evidence::Complete };
        let said = round.tally.last.as_ref().map(|last| last.message.as_str()).unwrap_or_default();
        let (reason, what) = match end {
            End::Errored => (Reason::CheckErrored, "could not be measured"),
            End::Passed | End::Open | End::Inconclusive => {
                (Reason::CheckInconclusive, "says nothing about the release")
            }
        };
        let message = format!(
            "check {} {what}: {said}; promote again to measure again, accept the release with override: {{gates: [Evidence]}}, or roll back",
            round.check.name
        );
        Evidence::Missing { reason, message }
    }

    /// Adds the next measurements to a decision, and what the record needs.
    pub fn attach(&self, scene: &Scene<'_>, mut decision: Decision) -> Decision {
        // A status that is written for another reason lacks the measurements: they are assessed again in the next pass.
        if decision.memory.is_some() && self.rounds.iter().any(Round::is_news) {
            decision.wake_at = earliest(decision.wake_at, Some(scene.shortly()));
            return decision;
        }
        for round in &self.rounds {
            let name = round.check.name.clone();
            let mut tally = round.is_new.then(|| Tally { held: self.span.held, ..round.tally.clone() });
            if round.is_being_measured(scene.now) {
                decision.wake_at = earliest(decision.wake_at, round.lost_at());
            } else if let Some(due) = round.due(self.span) {
                match self.questions.get(name.as_str()) {
                    Some(Ok(question)) if due <= scene.now => {
                        decision.actions.push(measure(scene, Phase::During, &name, question));
                        decision.wake_at = earliest(decision.wake_at, Some(later(scene.now, FRESH)));
                    }
                    Some(Err(message)) if due <= scene.now => {
                        let counted = unasked(&round.tally, message, scene.now);
                        tally = Some(Tally { held: self.span.held, ..counted });
                        decision.wake_at = earliest(decision.wake_at, Some(later(scene.now, RETRY)));
                    }
                    Some(_) | None => decision.wake_at = earliest(decision.wake_at, Some(due)),
                }
            }
            let mark = tally.map(|tally| Action::MarkMeasured { phase: Phase::During, check: name, tally });
            decision.actions.extend(mark);
        }
        if decision.memory.is_none() {
            // One write: a report without the measurements would take them out of the record again.
            let memory = self.news(scene, decision.report.as_ref());
            decision.report = decision.report.filter(|_| memory.is_none());
            decision.memory = memory;
        }
        decision
    }

    /// The checks that have an effect.
    fn deciding(&self) -> impl Iterator<Item = &Round<'a>> {
        self.rounds.iter().filter(|round| !round.check.dry_run)
    }

    /// The status with the measurements that the record needs at once. `report` is the status without them.
    fn news(&self, scene: &Scene<'_>, report: Option<&PromotionStatus>) -> Option<PromotionStatus> {
        let news: Vec<&Round<'_>> = self.rounds.iter().filter(|round| round.is_news()).collect();
        if news.is_empty() {
            return None;
        }
        let mut status = report.unwrap_or(&scene.status).clone();
        observing(&mut status, scene);
        for round in news {
            put(&mut status, round.report(None, self.asked(round)), &scene.policy);
        }
        // The message says what is awaited.
        if self.span.held || report.is_some() {
            return Some(status);
        }
        let until = self.span.until.unwrap_or(scene.now);
        let troubles = self.rounds.iter().filter_map(|round| {
            let last = round.tally.last.as_ref().filter(|last| last.verdict != Verdict::Passed)?;
            Some(format!("; check {}: {}", round.check.name, last.message))
        });
        let message = format!("rolled out; observed until {until}{}", troubles.collect::<String>());
        let phase = status.phase;
        Some(scene.write(status, phase, &Reason::Observing, &message))
    }

    fn asked(&self, round: &Round<'_>) -> Option<String> {
        let question = self.questions.get(round.check.name.as_str())?.as_ref().ok()?;
        Some(cut(&question.to_string(), 1000))
    }
}

/// Whether anything is measured after the rollout.
pub(super) fn are_left(scene: &Scene<'_>) -> bool {
    rounds(scene, Phase::During).iter().any(|round| !round.check.dry_run)
}

/// Completes the reports of a promotion that ends.
pub(super) fn close(scene: &Scene<'_>, status: &mut PromotionStatus) {
    if status.started_at.is_none() || scene.is_rollback() {
        return;
    }
    let plan = scene.plan();
    let wanted = plan.map(|plan| plan.objects.as_slice()).unwrap_or_default();
    let rolled_out = status.rolled_out_at.as_ref().map(|time| time.0);
    let asker = asker(scene, wanted, rolled_out);
    let until = rolled_out.map(|at| later(at, span(scene.policy.observe_window)));
    // The release may have failed by something else, or a newer one came: what it measured so far is no verdict.
    let is_cut_off = until.is_none_or(|until| scene.now < until);
    for round in rounds(scene, Phase::During) {
        let is_measured = round.tally.last.is_some() || round.recorded.is_some();
        let verdict = match round.end(None) {
            _ if round.has_failed() => Some(Verdict::Failed),
            End::Passed if !is_cut_off => Some(Verdict::Passed),
            End::Errored => Some(Verdict::Errored),
            End::Passed | End::Inconclusive | End::Open => Some(Verdict::Inconclusive),
        };
        if is_measured {
            let asked = ask(round.check, &asker).ok().map(|question| cut(&question.to_string(), 1000));
            put(status, round.report(verdict, asked), &scene.policy);
        }
    }
    // The policy does not have them any more.
    for report in status.checks.iter_mut().filter(|report| report.verdict.is_none()) {
        report.verdict = Some(Verdict::Inconclusive);
    }
}

/// Asks every query once, and waits for the checks that have to pass before the first write.
pub(super) fn before_start(scene: &Scene<'_>, wanted: &[Desired]) -> Turn<Option<Decision>> {
    let asker = asker(scene, wanted, None);
    let (mut actions, mut wake_at, mut waits, mut is_open) = (Vec::new(), None, Vec::new(), true);
    for round in rounds(scene, Phase::Before) {
        let check = round.check;
        let name = &check.name;
        let refused = |why: &str| refuse(scene, Reason::CheckRefused, &format!("check {name}: {why}"), RETRY);
        // Pods of the new revision do not exist yet, and an object may be part of the release. Its Services are known.
        if check.when == CheckTime::During && check.prometheus.is_none() && check.alerts.is_none() {
            match ask(check, &asker) {
                Err(why) if !check.dry_run => return refused(&why).map(Some),
                Ok(_) | Err(_) => continue,
            }
        }
        let mark = |tally: Tally| Action::MarkMeasured { phase: Phase::Before, check: name.clone(), tally };
        actions.extend(round.is_new.then(|| mark(round.tally.clone())));
        let last = round.tally.last.as_ref();
        if let Some(last) = last.filter(|last| last.refused && !check.dry_run) {
            let refusal = refused(&last.message)?;
            let again = (scene.now >= later(last.at, RETRY)).then(|| ask(check, &asker).ok()).flatten();
            actions.extend(again.map(|question| measure(scene, Phase::Before, name, &question)));
            return Ok(Some(Decision { actions, ..refusal }));
        }
        let is_fresh = last.is_some_and(|last| scene.now < later(last.at, FRESH));
        if is_fresh && last.is_some_and(|last| opens(check, last)) {
            continue;
        }
        let delay = if check.when == CheckTime::Before { round.slow_pace() } else { round.doubled(RETRY) };
        let due = last.filter(|last| !opens(check, last));
        let due = due.map_or(scene.now, |last| later(last.at, delay).max(last.retry_at.unwrap_or(last.at)));
        match ask(check, &asker) {
            _ if round.is_being_measured(scene.now) => wake_at = earliest(wake_at, round.lost_at()),
            Ok(question) if due <= scene.now => {
                actions.push(measure(scene, Phase::Before, name, &question));
                wake_at = earliest(wake_at, Some(later(scene.now, FRESH)));
            }
            Ok(_) => wake_at = earliest(wake_at, Some(due)),
            Err(why) => return refused(&why).map(Some),
        }
        if !check.dry_run {
            is_open = false;
            // The first answer usually comes at once: a wait for it is not worth a write.
            // A passing one that is too old is only measured again.
            let kept_closed = last.filter(|last| !opens(check, last));
            waits.extend(kept_closed.map(|last| format!("check {name}: {}", last.message)));
        }
    }
    if waits.is_empty() {
        let wake_at = if is_open { Some(scene.shortly()) } else { wake_at };
        let needs_pass = !is_open || !actions.is_empty();
        return Ok(needs_pass.then(|| Decision { actions, wake_at, ..Decision::default() }));
    }
    let message = format!(
        "{}; nothing is written before; users granted override can pass the gate Evidence",
        waits.join("; ")
    );
    let wait = scene.wait(&Reason::Evidence, &message, wake_at);
    Ok(Some(Decision { actions, ..wait }))
}

/// The reports at the start: the values that later ones are compared with.
pub(super) fn baselines(scene: &Scene<'_>, wanted: &[Desired]) -> Vec<CheckReport> {
    let asker = asker(scene, wanted, None);
    let compares =
        |check: &Check| check.prometheus.as_ref().is_some_and(|it| it.max_ratio_to_baseline.is_some());
    let before = rounds(scene, Phase::Before).into_iter().filter(|round| compares(round.check));
    let value = |round: &Round<'_>| -> Option<String> {
        let value: f64 = round.tally.last.as_ref()?.value.as_ref()?.parse().ok()?;
        value.is_finite().then(|| value.to_string())
    };
    let report = |round: Round<'_>| {
        let check = round.check;
        // A query of pods asks about others later.
        let is_of_pods = check.prometheus.as_ref().is_some_and(|it| it.query.contains("$pods"));
        let query = ask(check, &asker).ok().filter(|_| !is_of_pods);
        let query = query.map(|question| cut(&question.to_string(), 1000));
        let earlier = query.as_deref().and_then(|query| tries::baseline(scene, &check.name, query));
        CheckReport {
            name: check.name.clone(),
            baseline: earlier.or_else(|| value(&round)),
            query,
            dry_run: check.dry_run,
            ..CheckReport::default()
        }
    };
    before.map(report).collect()
}

/// Whether an answer lets the promotion start. A query that is compared later only has to be answered.
fn opens(check: &Check, last: &Assessed) -> bool {
    match check.when {
        CheckTime::During => last.verdict != Verdict::Errored,
        CheckTime::Before => last.verdict == Verdict::Passed,
    }
}

fn rounds<'a>(scene: &'a Scene<'_>, phase: Phase) -> Vec<Round<'a>> {
    if scene.is_accepted() || scene.is_rollback() {
        return Vec::new();
    }
    let counts = |check: &&Check| phase == Phase::Before || check.when == CheckTime::During;
    let recorded =
        scene.world.promotion.status.as_ref().map(|status| status.checks.as_slice()).unwrap_or_default();
    let round = |check: &'a Check| {
        let measured = scene.world.measured.get(&(phase, check.name.clone()));
        let measured = measured.map(|measured| of_staying_pods(measured, &scene.world.workloads));
        let report =
            recorded.iter().find(|report| report.name == check.name).filter(|_| phase == Phase::During);
        Round::of(check, measured.as_ref(), report)
    };
    scene.policy.checks.iter().filter(counts).map(round).collect()
}

fn asker<'a>(scene: &'a Scene<'_>, wanted: &'a [Desired], rolled_out: Option<Timestamp>) -> Asker<'a> {
    let status = scene.world.promotion.status.as_ref();
    let version = status.and_then(|status| status.version.clone());
    let version = version.or_else(|| scene.release.map(|release| release.version().to_owned()));
    let started = status.and_then(|status| status.started_at.as_ref()).map_or(scene.now, |time| time.0);
    Asker {
        words: vec![
            ("project", scene.world.project.name.to_string()),
            ("environment", scene.environment.name().to_owned()),
            ("namespace", scene.environment.spec.namespace.to_string()),
            ("application", scene.application.to_string()),
            ("version", version.unwrap_or_default()),
            ("release", scene.world.promotion.spec.release.to_string()),
        ],
        wanted,
        workloads: &scene.world.workloads,
        changed: status.map(|status| status.changes.as_slice()).unwrap_or_default(),
        started,
        known_before: tries::first_started(scene).unwrap_or(started),
        rolled_out,
        now: scene.now,
    }
}

fn measure(scene: &Scene<'_>, phase: Phase, check: &str, question: &Question) -> Action {
    Action::Measure {
        target: scene.target(),
        promotion: scene.world.promotion.name().to_owned(),
        phase,
        check: check.to_owned(),
        question: question.clone(),
    }
}

/// Counts a measurement that could not even be asked for.
fn unasked(tally: &Tally, message: &str, now: Timestamp) -> Tally {
    let last = Assessed {
        at: now,
        verdict: Verdict::Errored,
        value: None,
        message: message.to_owned(),
        refused: true,
        retry_at: None,
    };
    Tally { errored_in_a_row: tally.errored_in_a_row.saturating_add(1), last: Some(last), ..tally.clone() }
}

/// The scene with the action of a check in place of the policy's.
pub(super) fn with_action<'a>(scene: &Scene<'a>, action: Option<FailureAction>) -> Scene<'a> {
    let action = action.unwrap_or(scene.policy.action);
    Scene {
        policy: RollbackPolicySpec { action, ..scene.policy.clone() },
        application: scene.application.clone(),
        lane: scene.lane.clone(),
        status: scene.status.clone(),
        ..*scene
    }
}
