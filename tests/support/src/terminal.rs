//! A program on a pseudo terminal, and what a person reads and types there.

use anyhow::{Context, Result, bail};
use pty_process::Size;
pub use pty_process::blocking::Command;
use pty_process::blocking::{Pty, open};
use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a program may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// What Ctrl-C and Ctrl-D send.
pub const CTRL_C: &str = "\u{3}";
pub const CTRL_D: &str = "\u{4}";

/// The same command, started so that Ctrl-C ends it even where the tests themselves ignore that signal: a shell makes what it runs in the background ignore it, and every program passes that on.
pub fn interruptible(command: &std::process::Command) -> std::process::Command {
    let mut all = std::process::Command::new("/usr/bin/env");
    all.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => all.env(name, value),
            None => all.env_remove(name),
        };
    }
    all
}

/// A program whose controlling terminal is a pseudo terminal of 120 columns.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    chunks: Receiver<Vec<u8>>,
    shown: Vec<u8>,
}

impl Terminal {
    /// Starts the program. Its streams are the terminal, unless the command already sends them elsewhere.
    pub fn start(command: impl Into<Command>) -> Result<Self> {
        let (pty, other_end) = open()?;
        pty.resize(Size::new(50, 120))?;
        let child = command.into().spawn(other_end)?;
        let pty = Arc::new(pty);
        let (sender, chunks) = channel();
        let reader = Arc::clone(&pty);
        // It ends with an error when the last process has closed the terminal.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = (&*reader).read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { pty, child, chunks, shown: Vec::new() })
    }

    /// Waits until the terminal shows a text.
    pub fn reads(&mut self, text: &str) -> Result<()> {
        self.until(&format!("the terminal shows {text:?}"), |shown| shown.contains(text))
    }

    /// Waits until what the terminal was sent satisfies a condition.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !is_so(&self.text()) {
            match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.shown.extend(chunk),
                Err(_) => bail!("{what}: it does not:\n{}", self.text()),
            }
        }
        Ok(())
    }

    /// How much the terminal was sent, in bytes.
    pub fn shown(&self) -> usize {
        self.text().len()
    }

    /// Changes the number of columns, as a person does who drags the border of a window.
    pub fn resize(&self, columns: u16) -> Result<()> {
        Ok(self.pty.resize(Size::new(50, columns))?)
    }

    /// Types a text, which may hold control characters.
    pub fn types(&mut self, text: &str) -> Result<()> {
        (&*self.pty).write_all(text.as_bytes()).context("typing")
    }

    /// How the program ended, and everything that the terminal showed.
    pub fn ended(mut self) -> Result<(ExitStatus, String)> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.shown.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("the program does not end:\n{}", self.text()),
            }
        }
        let status = self.child.wait()?;
        Ok((status, self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).replace("\r\n", "\n")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
