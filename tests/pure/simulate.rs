//! Whole releases through a toy cluster: the real `decide`, a virtual clock, and every write carried out in order. The logs in
//! `golden/simulate` are what happened, decision by decision; UPDATE_GOLDEN=1 writes them again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "it is how a test fails"
)]

mod acting;
mod after_verified;
mod approvals_ahead;
mod awaited_secrets;
mod bad_objects;
mod before;
mod captured;
mod changed_objects;
mod check_kinds;
mod checks;
mod clocks;
mod cluster;
mod comparison;
mod costs;
mod crashes;
mod described;
mod disruptions;
mod drift;
mod dry_run;
mod evidence;
mod explained;
mod fate;
mod fields;
mod held;
mod history_limit;
mod hooks;
mod irreversible;
mod judgement;
mod line;
mod lived_through;
mod memory;
mod outcomes;
mod past_faults;
mod plans;
mod project;
mod promoted_again;
mod recalls;
mod recreated;
mod refused_promotions;
mod refused_rollbacks;
mod regressions;
mod removals;
mod repeated_rollbacks;
mod requires;
mod restored;
mod reviews;
mod rollbacks;
mod run;
mod same_content;
mod scenarios;
mod store;
mod terminating;
mod test_pods;
mod tests_of_releases;
mod vanished_jobs;
mod waiting;
mod wakes;
mod withdrawn;
mod words;
mod writes;

use scenarios::ALL;
use std::fs;
use std::path::Path;

#[test]
fn every_scenario_goes_as_its_log_says() {
    let again = std::env::var("UPDATE_GOLDEN").is_ok();
    let mut faults = Vec::new();
    for scenario in ALL {
        let run = scenario.run().settle();
        let text = format!("# {}\n\n{}\n", scenario.about, run.log.join("\n"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/pure/golden/simulate/{}.log", scenario.name));
        if again {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            faults.push(format!("{} is another now (UPDATE_GOLDEN=1 writes it):\n{text}", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_order_of_looks_does_not_change_the_end() {
    for scenario in ALL {
        comparison::same_in_any_order(scenario.name, scenario.setting, scenario.events);
    }
}

#[test]
fn a_crash_after_any_write_does_not_change_the_end() {
    for scenario in ALL {
        comparison::same_after_a_crash(scenario.name, scenario.setting, scenario.events);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
