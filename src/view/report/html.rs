//! The report as one page without references to other files: for people without a terminal, and for archives.

use super::shown::{cause, kind, repair, second};
use super::time_line::time_line;
use super::{InEnvironment, Report};
use crate::api::Incident;
use crate::view::record::Event;
use crate::view::screen::printable;
use crate::view::tone::of_state;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Colours by meaning. No meaning is shown by a colour alone: the word stands beside it.
const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1b1f24;--back:#fff;--line:#d0d7de;--dim:#57606a;--good:#1a7f37;--bad:#b3261e;--busy:#0a58ca;--waits:#8a5a00}\
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--line:#30363d;--dim:#9da7b1;--good:#4ac26b;--bad:#ff8182;--busy:#79b8ff;--waits:#e3b341}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);margin:2rem auto;max-width:72rem;padding:0 1rem}\
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}td:last-child{overflow-wrap:anywhere}\
th{white-space:nowrap}th,dt{color:var(--dim);font-weight:600}td.time{white-space:nowrap}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0}dd{margin:0;overflow-wrap:anywhere}\
.good{color:var(--good)}.bad{color:var(--bad)}.busy{color:var(--busy)}.waits{color:var(--waits)}\
.wide{overflow-x:auto}svg{width:100%;height:auto;min-width:40rem}svg text{fill:var(--text);font:12px system-ui,sans-serif}svg .dim{fill:var(--dim)}p.dim{color:var(--dim)}\
svg line{stroke:var(--line)}svg .wait{fill:var(--line)}svg .work{fill:var(--busy)}svg .watch{fill:var(--busy);opacity:.45}\
svg .plain{fill:var(--dim)}svg .good{fill:var(--good)}svg .bad{fill:var(--bad)}svg .waits{fill:var(--waits)}svg .busy{fill:var(--busy)}";

impl Report {
    /// The report as a page.
    pub fn html(&self, now: Timestamp) -> String {
        let title = format!("{} {}", printable(&self.application), printable(&self.version));
        let phase = format!("{:?}", self.phase);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    // Nothing in it runs, and it loads nothing.
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { (title) ": " (phase) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { (title) ": " (word(&phase)) }
                        (self.sections(now))
                        p.dim { "All times are UTC." }
                    }
                }
            }
        };
        page.into_string()
    }

    /// What the page shows below its title.
    pub fn sections(&self, now: Timestamp) -> Markup {
        html! {
            @if let Some(message) = &self.message { p { (printable(message)) } }
            dl {
                @for (name, value) in self.facts() { dt { (name) } dd { (printable(&value)) } }
            }
            @if !self.promotions.is_empty() {
                h2 { "Time line" }
                div.wide { (time_line(self, now)) }
            }
            h2 { "Environments" }
            (environments(&self.environments))
            @if !self.incidents.is_empty() {
                h2 { "Incidents" }
                (incidents(&self.incidents))
            }
            h2 { "What happened" }
            (events(&self.events))
        }
    }
}

/// A word in the colour of its meaning.
fn word(word: &str) -> Markup {
    let word = printable(word);
    html! { span class=(of_state(&word).as_str()) { (word) } }
}

fn environments(rows: &[InEnvironment]) -> Markup {
    let headings =
        ["Environment", "State", "Tries", "Lead time", "For people", "Otherwise", "Worked", "Waited at"];
    let rows = html! {
        @for row in rows {
            tr {
                td { (printable(&row.figures.environment)) }
                td { (word(&row.state)) }
                td { (row.figures.tries) }
                @for length in row.lengths() { td { (length) } }
                td { (printable(&row.gates())) }
            }
        }
    };
    table(&headings, &rows)
}

fn incidents(incidents: &[Incident]) -> Markup {
    let rows = html! {
        @for incident in incidents {
            @let [restored, after] = repair(incident);
            tr {
                td.time { (second(incident.began_at.0)) }
                td { (printable(&incident.environment)) }
                td { (printable(&cause(incident))) }
                td { (printable(&restored)) }
                td { (after) }
            }
        }
    };
    table(&["Began", "Environment", "Cause", "Restored", "After"], &rows)
}

fn events(events: &[Event]) -> Markup {
    let text = |text: &Option<String>| printable(text.as_deref().unwrap_or_default());
    let rows = html! {
        @for event in events {
            tr {
                td.time { (second(event.at)) }
                td { (kind(event)) }
                td { (printable(event.environment.as_deref().unwrap_or_default())) }
                td { (text(&event.by)) }
                td { (word(event.result.as_deref().unwrap_or_default())) }
                td { (text(&event.message)) }
            }
        }
    };
    table(&["Time", "Event", "Environment", "By", "Result", "Details"], &rows)
}

fn table(headings: &[&str], rows: &Markup) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { @for heading in headings { th scope="col" { (heading) } } } }
                tbody { (rows) }
            }
        }
    }
}
