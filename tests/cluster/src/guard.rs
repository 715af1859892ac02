//! Everything ends when its owner ends, however it ends.
//!
//! The kernel closes a dead process's pipes, SIGKILL included, so a pipe is the one promise an owner cannot break.
//! Two small processes hang on such pipes:
//!
//! - `cat` leads the process group that every component joins; with its pipe closed it goes by itself, so it is no
//!   orphan even if the owner dies before the watchdog exists;
//! - the watchdog, a shell in a group of its own, waits for its pipe to close, kills the components' group and removes
//!   their directory and cgroups. In a group of its own it also survives a Ctrl-C in the owner's terminal.
//!
//! A control plane that is to outlive its owner tells the watchdog `keep`; `kill PID` of the watchdog ends it later.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

const WATCHDOG: &str = r#"
group=$1 dir=$2
# The cgroups of a real node bear the name of the directory.
cgroups() {
    find /sys/fs/cgroup -maxdepth 2 -type d -name "${dir##*/}" 2>/dev/null
}
stop() {
    kill -s KILL -- "-$group" 2>/dev/null
    # What is being killed may still create a file, and its cgroup stays until it is gone.
    tries=0
    while left=$(cgroups) && [ -e "$dir" -o -n "$left" ] && [ "$tries" -lt 200 ]; do
        [ "$tries" -lt 10 ] || sleep 0.05
        [ -z "$left" ] || find $left -depth -type d -exec rmdir {} + 2>/dev/null
        rm -rf "$dir" 2>/dev/null
        tries=$((tries + 1))
    done
    exit 0
}
trap stop TERM INT HUP
read -r word
[ "$word" = keep ] || stop
while kill -s 0 -- "-$group" 2>/dev/null; do
    sleep 1 &
    wait $!
done
stop
"#;

pub struct Guard {
    guards: Mutex<Guards>,
    leader: u32,
    watchdog: u32,
    components: Mutex<Vec<(String, Child)>>,
}

struct Guards {
    leader: Child,
    watchdog: Child,
    kept: bool,
}

impl Guard {
    /// Guards the directory `dir` and, from now on, every component spawned through it.
    pub fn start(dir: &Path) -> Result<Self> {
        let spawn = |command: &mut Command| {
            let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            quiet.current_dir("/").process_group(0).spawn()
        };
        let leader = spawn(&mut Command::new("cat")).context("cannot start cat")?;
        let group = leader.id().to_string();
        let watchdog =
            spawn(Command::new("sh").args(["-c", WATCHDOG, "control-plane-watchdog", &group]).arg(dir))
                .context("cannot start the watchdog shell")?;
        let (leader_id, watchdog_id) = (leader.id(), watchdog.id());
        let guards = Mutex::new(Guards { leader, watchdog, kept: false });
        Ok(Self { guards, leader: leader_id, watchdog: watchdog_id, components: Mutex::new(Vec::new()) })
    }

    /// What this starts ends with the components.
    pub fn include(&self, command: &mut Command) -> Result<()> {
        command.process_group(i32::try_from(self.leader)?);
        Ok(())
    }

    /// Starts a component and returns its process id.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<u32> {
        self.include(command)?;
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {name}"))?;
        let pid = child.id();
        self.components().push((name.into(), child));
        Ok(pid)
    }

    /// A component that has ended, if one has, and how.
    pub fn ended(&self) -> Option<(String, ExitStatus)> {
        self.components().iter_mut().find_map(|(name, child)| Some((name.clone(), child.try_wait().ok()??)))
    }

    /// Process ids by component, the guards included.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let mut pids: Vec<_> =
            self.components().iter().map(|(name, child)| (name.clone(), child.id())).collect();
        pids.extend([("watchdog".into(), self.watchdog), ("leader".into(), self.leader)]);
        pids
    }

    /// A list of processes is whole even after a panic.
    fn components(&self) -> std::sync::MutexGuard<'_, Vec<(String, Child)>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves everything running; killing the process returned ends it.
    pub fn keep(&self) -> Result<u32> {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe: &mut ChildStdin = guards.watchdog.stdin.as_mut().context("the watchdog has no pipe")?;
        pipe.write_all(b"keep\n")?;
        guards.kept = true;
        Ok(self.watchdog)
    }

    /// Ends everything. Closing the pipes is the whole of it; waiting makes sure that nothing is left when this returns.
    pub fn end(&self) {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        drop(guards.leader.stdin.take());
        drop(guards.watchdog.stdin.take());
        let _ = guards.leader.wait();
        if guards.kept {
            return;
        }
        let _ = guards.watchdog.wait();
        for (_, child) in self.components().iter_mut() {
            let _ = child.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}
