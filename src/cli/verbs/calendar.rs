//! `calendar`: windows, freezes, planned and past promotions.

use crate::cli::of_project::OfProject;
use crate::cli::output::{self, Format};
use crate::view::calendar::calendar;
use anyhow::{Context, bail};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io::Write;
use std::process::ExitCode;

/// Show a month of a project: windows, freezes, past promotions, and the earliest times of those that are planned.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfProject,
    /// The month, such as 2026-12. Default: this month.
    #[arg(long)]
    month: Option<String>,
    /// Number of months.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=12))]
    months: u8,
    /// Time zone of the table, such as Europe/Berlin, or `local`.
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    /// Write an iCalendar file, which calendar programs import or subscribe to.
    #[arg(long, conflicts_with = "output")]
    ical: bool,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let zone = zone(&arguments.time_zone)?;
    let month = arguments.month.as_ref().map(|month| {
        let first = format!("{month}-01").parse::<Date>();
        first.with_context(|| format!("--month {month:?} is not a month such as 2026-12"))
    });
    let month = month.transpose()?;
    let reader = arguments.of.open().await?;
    let all = reader.everything().await?;
    let now = reader.now();
    let first = month.unwrap_or_else(|| now.to_zoned(zone.clone()).date().first_of_month());
    let start = |date: Date| Ok::<_, jiff::Error>(date.to_zoned(zone.clone())?.timestamp());
    let end = first.checked_add(i64::from(arguments.months).months())?;
    let view = calendar(&all.project, start(first)?, start(end)?, now);
    if arguments.ical {
        out.write_all(view.ical(now).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !all.is_whole && arguments.of.output == Format::Table {
        writeln!(
            std::io::stderr(),
            "not shown: freezes of the cluster; that needs the right to list clusterchangefreezes"
        )?;
    }
    let lines = |layout| {
        let mut lines = view.months(&zone, layout);
        if view.entries.is_empty() {
            lines.push("Nothing is in the calendar.".to_owned());
        } else {
            lines.push(String::new());
            lines.extend(view.table(&zone).lines(layout));
        }
        lines
    };
    output::write_lines(out, arguments.of.output, "Calendar", &view, lines, Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

fn zone(name: &str) -> anyhow::Result<TimeZone> {
    if name == "local" {
        return Ok(TimeZone::system());
    }
    match TimeZone::get(name) {
        Ok(zone) => Ok(zone),
        Err(_) => bail!(
            "--time-zone {name:?} is not in the IANA time zone database: write a name such as Europe/Berlin, or `local`"
        ),
    }
}
