//! What a person sees: lines that stay, and on a terminal a live line per environment below them.

use console::{Term, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
const INDENT: usize = 4;

/// How something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Nothing to do.
    Quiet,
    /// Being done.
    Busy,
    /// Being rolled back.
    Back,
    Good,
    Bad,
}

impl Tone {
    fn sign(self) -> String {
        match self {
            Self::Quiet => style("·").dim().to_string(),
            Self::Busy => style("→").cyan().to_string(),
            Self::Back => style("←").yellow().to_string(),
            Self::Good => style("✓").green().to_string(),
            Self::Bad => style("✗").red().bold().to_string(),
        }
    }
}

/// The screen, or the pipe that stands for one.
pub struct Screen {
    began: Instant,
    live: Option<MultiProgress>,
    lines: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Screen {
    pub fn new() -> Self {
        let live = Term::stdout()
            .is_term()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(20)));
        Self { began: Instant::now(), live, lines: Mutex::default() }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        match &self.live {
            Some(live) => drop(live.println(if line.is_empty() { " " } else { line })),
            None => println!("{line}"),
        }
    }

    pub fn title(&self, text: &str) {
        self.say("");
        self.say(&format!("{}", style(text).bold()));
        self.say("");
    }

    /// The heading of a part, with what there is to know before it starts.
    pub fn heading(&self, number: usize, text: &str, introduction: &str) {
        self.say("");
        self.say(&format!("{} {}", style(format!(" {number} ")).bold().reverse(), style(text).bold()));
        self.paragraph(introduction);
        self.say("");
    }

    pub fn paragraph(&self, text: &str) {
        for line in wrapped(text, width() - INDENT) {
            self.say(&format!("{:INDENT$}{}", "", style(line).dim()));
        }
    }

    /// Something that happened: when, where, how it goes, what.
    pub fn event(&self, place: &str, tone: Tone, text: &str) {
        let time = format!("{:5.1} s", self.elapsed().as_secs_f64());
        let margin = INDENT + 24;
        let mut lines = wrapped(text, width().saturating_sub(margin)).into_iter();
        let first = lines.next().unwrap_or_default();
        let place = console::pad_str(place, 8, console::Alignment::Left, None).into_owned();
        let colour = |text: String| match tone {
            Tone::Bad => style(text).red().to_string(),
            Tone::Good | Tone::Quiet | Tone::Busy | Tone::Back => text,
        };
        self.say(&format!(
            "{:INDENT$}{}  {}  {} {}",
            "",
            style(time).dim(),
            style(place).bold(),
            tone.sign(),
            colour(first)
        ));
        for line in lines {
            self.say(&format!("{:margin$}{}", "", colour(line), margin = margin - 3));
        }
    }

    /// A command of the plugin, and what it prints.
    pub fn output(&self, arguments: &[&str], shown: &str) {
        self.say("");
        let command = format!("$ kubectl towpath {} --namespace shop", arguments.join(" "));
        self.say(&format!("{:INDENT$}{}", "", style(command).bold()));
        for line in shown.lines() {
            self.say(&format!("{:INDENT$}{line}", ""));
        }
        self.say("");
    }

    /// A step of the preparation, shown while it is done and ticked off after.
    pub async fn step<T>(
        &self,
        text: &str,
        work: impl Future<Output = anyhow::Result<(String, T)>>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        let bar = self.live.as_ref().map(|live| {
            let bar = live.add(ProgressBar::new_spinner());
            bar.set_style(spinner("    {spinner:.cyan} {wide_msg}"));
            bar.set_message(text.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        let done = work.await;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let (text, value) = done?;
        let took = style(format!("{:.1} s", begun.elapsed().as_secs_f64())).dim();
        self.say(&format!("    {} {text}  {took}", Tone::Good.sign()));
        Ok(value)
    }

    /// The live line of a place; nothing without a terminal.
    pub fn live(&self, place: &str, tone: Tone, text: &str) {
        let Some(live) = &self.live else { return };
        let mut lines = self.lines();
        if lines.is_empty() {
            // Space between what stays and what moves.
            let space = live.add(ProgressBar::new_spinner());
            space.set_style(spinner(" "));
            space.tick();
            lines.insert(String::new(), space);
        }
        let bar = lines.entry(place.to_owned()).or_insert_with(|| live.add(ProgressBar::new_spinner()));
        let busy = matches!(tone, Tone::Busy | Tone::Back);
        let sign = match tone {
            Tone::Back => "{spinner:.yellow}".to_owned(),
            Tone::Busy => "{spinner:.cyan}".to_owned(),
            Tone::Quiet | Tone::Good | Tone::Bad => tone.sign(),
        };
        bar.set_style(spinner(&format!("    {{prefix:8.bold}} {sign} {{wide_msg}}")));
        bar.set_prefix(place.to_owned());
        bar.set_message(text.to_owned());
        match busy {
            true => bar.enable_steady_tick(TICK),
            false => bar.disable_steady_tick(),
        }
        bar.tick();
    }

    /// Takes the live lines away.
    pub fn close(&self) {
        for (_, bar) in std::mem::take(&mut *self.lines()) {
            bar.finish_and_clear();
        }
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<String, ProgressBar>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spinner(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

/// Columns to write in; a pipe is as wide as a page.
fn width() -> usize {
    let term = Term::stdout();
    if term.is_term() { usize::from(term.size().1).clamp(60, 110) } else { 110 }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
