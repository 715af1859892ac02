//! `kubectl` and `helm` of the same build, as one identity.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::Access;

/// A command-line tool bound to a kubeconfig.
#[derive(Clone, Debug)]
pub struct Tool {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Tool {
    pub(crate) fn new(program: PathBuf, access: &Access) -> Self {
        Self { program, kubeconfig: access.kubeconfig.clone() }
    }

    /// Where the program is.
    pub fn path(&self) -> &Path {
        &self.program
    }

    /// A command with the kubeconfig and nothing else of this user's environment that could lead elsewhere.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        for variable in ["HELM_NAMESPACE", "HELM_KUBECONTEXT", "HELM_KUBETOKEN", "HELM_KUBEAPISERVER"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs to the end and returns stdout; a failure carries stderr.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let said = self.command(arguments).output().with_context(|| self.shown(arguments))?;
        self.judge(arguments, &said)
    }

    /// The same, with something to read on stdin (`apply -f -`).
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().with_context(|| self.shown(arguments))?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let said = child.wait_with_output()?;
        let _ = writer.join();
        self.judge(arguments, &said)
    }

    fn judge(&self, arguments: &[&str], said: &std::process::Output) -> Result<String> {
        let stderr = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success(), "{}: {}", self.shown(arguments), stderr.trim());
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    fn shown(&self, arguments: &[&str]) -> String {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} {}", arguments.join(" "))
    }
}
