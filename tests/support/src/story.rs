//! Stories: tests of the whole product on a real control plane, all in one program.
//!
//! Most of a story is waiting, so many more of them run at a time than there are cores. They start in the order in which the
//! program lists them, so the long ones come first. A story that fails leaves what is needed to understand it: see
//! [`crate::failed`].

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::failed::Trace;
use crate::times::{self, Time};
use crate::{installation, operator};

/// How many stories run at a time, unless `--test-threads` allows fewer. With 14 a run on two cores took two thirds of the time, and each
/// wait was longer: on a slower machine some exceeded the limits that they test.
const AT_A_TIME: usize = 8;
/// How many run beside those on a real node: its pods are processes, and starting one takes a machine's time.
const ON_A_NODE: usize = 4;

/// A body that has begun.
pub type Told = Pin<Box<dyn Future<Output = Result<()>>>>;

/// A test with a name.
#[derive(Clone)]
pub struct Story {
    name: String,
    body: Arc<dyn Fn() -> Told + Send + Sync>,
    needs_node: bool,
}

impl Story {
    /// One that needs a control plane. Stories made from data have names of their own.
    pub fn new(name: impl Into<String>, body: impl Fn() -> Told + Send + Sync + 'static) -> Self {
        Self { name: name.into(), body: Arc::new(body), needs_node: false }
    }

    /// One that needs a real node, too: ignored where none can be.
    pub fn on_a_node(name: impl Into<String>, body: impl Fn() -> Told + Send + Sync + 'static) -> Self {
        Self { needs_node: true, ..Self::new(name, body) }
    }

    /// Without the name of the program.
    fn shown(&self) -> &str {
        self.name.split_once("::").map_or(&self.name, |(_, rest)| rest)
    }

    fn tell(&self, stage: &Stage) -> Result<(), Failed> {
        let (runtime, places) =
            (&stage.runtime, if self.needs_node { &stage.on_a_node } else { &stage.played });
        let _place = runtime.block_on(places.acquire()).map_err(|error| error.to_string())?;
        let (trace, begun) = (Trace::default(), Instant::now());
        let told = self.tell_here(runtime, &trace);
        let time = Time { name: self.shown().to_owned(), begun, ended: Instant::now() };
        stage.times.lock().unwrap_or_else(PoisonError::into_inner).push(time);
        told
    }

    fn tell_here(&self, runtime: &Runtime, trace: &Trace) -> Result<(), Failed> {
        let told = catch_unwind(AssertUnwindSafe(|| runtime.block_on(trace.follow((self.body)()))));
        let message = match told {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => format!("{error:#}"),
            Err(panic) => words(panic.as_ref()),
        };
        let left = match trace.leave(self.shown()) {
            Ok(folder) => format!("see {}", folder.display()),
            Err(error) => format!("nothing could be left of it: {error:#}"),
        };
        Err(format!("{message}\n{left}").into())
    }
}

/// What all stories of a run share.
struct Stage {
    runtime: Runtime,
    played: Semaphore,
    on_a_node: Semaphore,
    times: Mutex<Vec<Time>>,
}

/// The stories of a module, which are `async fn() -> Result<()>`, in the order in which they start.
#[macro_export]
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        pub fn stories() -> Vec<$crate::story::Story> {
            vec![$($crate::story::Story::new(concat!(module_path!(), "::", stringify!($name)), || Box::pin($name()))),*]
        }
    };
}

/// The same for stories on a real node.
#[macro_export]
macro_rules! node_stories {
    ($($name:ident),* $(,)?) => {
        pub fn stories() -> Vec<$crate::story::Story> {
            vec![$($crate::story::Story::on_a_node(concat!(module_path!(), "::", stringify!($name)), || Box::pin($name()))),*]
        }
    };
}

/// Tells all stories that the command line asks for, and ends the control plane that they shared. `program` is the product.
pub fn run(program: &'static str, stories: Vec<Story>) -> ExitCode {
    operator::use_program(program);
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(stories.len()));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let lacking = control_plane::lacking();
    let stage = Arc::new(Stage {
        runtime,
        played: Semaphore::new(AT_A_TIME),
        on_a_node: Semaphore::new(ON_A_NODE),
        times: Mutex::default(),
    });
    let trials = stories.into_iter().map(|story| {
        let stage = Arc::clone(&stage);
        let reason = lacking.clone().filter(|_| story.needs_node).unwrap_or_default();
        let name = story.shown().to_owned();
        let trial = Trial::test(name, move || story.tell(&stage));
        trial.with_ignored_flag(!reason.is_empty()).with_kind(reason)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    times::print(&stage.times.lock().unwrap_or_else(PoisonError::into_inner));
    installation::end();
    conclusion.exit_code()
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
