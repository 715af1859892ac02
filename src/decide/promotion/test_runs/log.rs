//! The last lines of the log of a test, where `keepLog` asks for them. They are read when the attempt has ended, or before it is
//! suspended, and are recorded together with its result.

use super::{definition, key_of, run_of, shown};
use crate::api::TestStatus;
use crate::decide::decision::Action;
use crate::decide::promotion::Scene;
use crate::decide::test_runs::{last_lines, logged};

/// Longest recorded log, in bytes.
const LONGEST: usize = 4096;

/// Reads the log of an attempt that has ended; none if it is not wanted, or was read, or cannot exist.
pub(super) fn due(scene: &Scene<'_>, test: &TestStatus) -> Option<Action> {
    let lines = definition(scene, test).map(|job| job.settings.keep_log).filter(|lines| *lines > 0)?;
    let key = key_of(test).filter(|key| !scene.world.tests.logs.contains_key(key))?;
    let (pod, container) = logged(run_of(scene, test)?)?;
    shown(scene, test)?;
    let (pod, container) = (pod.to_owned(), container.to_owned());
    Some(Action::ReadLog { target: scene.target(), key, pod, container, lines })
}

/// The last lines that were read of the current attempt.
pub(super) fn kept(scene: &Scene<'_>, test: &TestStatus) -> Option<String> {
    match scene.world.tests.logs.get(&key_of(test)?)? {
        Ok(text) => Some(last_lines(text, LONGEST)).filter(|text| !text.is_empty()),
        Err(why) => Some(last_lines(&format!("the log cannot be read: {why}"), LONGEST)),
    }
}
