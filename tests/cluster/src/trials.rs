//! Tests that need a real node, on machines that can have one and on those that cannot.
//!
//! libtest cannot skip a test at run time: such a test would have to pass without having looked. So these have a
//! `main` of their own, which shows them as ignored and says why.

use std::pin::Pin;
use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

/// Most of a story is waiting, so more of them run at a time than there are cores.
const AT_A_TIME: usize = 4;

/// A test: its name, its body, and why it is not expected to pass yet, or nothing.
pub type NodeTest = (&'static str, fn() -> Pin<Box<dyn Future<Output = Result<()>>>>, &'static str);

/// The `main` of a test target whose tests are `async fn() -> Result<()>`. One that is not expected to pass yet has the
/// reason behind it; `--ignored` runs it.
#[macro_export]
macro_rules! node_tests {
    ($($subject:ident :: $name:ident $(: $not_yet:literal)?),* $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::run_node_tests(&[$((
                concat!(stringify!($subject), "::", stringify!($name)),
                || Box::pin($subject::$name()),
                concat!($($not_yet)?),
            )),*])
        }
    };
}

/// Runs them, each on a runtime of its own, or shows them as ignored where no real node can be.
pub fn run_node_tests(tests: &[NodeTest]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_A_TIME));
    let lacking = crate::lacking();
    let trials = tests.iter().map(|&(name, body, not_yet)| {
        let reason = lacking.clone().unwrap_or_else(|| not_yet.to_owned());
        let trial =
            Trial::test(name, move || run(body()).map_err(|error| Failed::from(format!("{error:#}"))));
        trial.with_ignored_flag(!reason.is_empty()).with_kind(reason)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(body: impl Future<Output = Result<()>>) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build()?.block_on(body)
}
