//! A control plane in the foreground, until Ctrl-C; with `--keep`, in the background; with `--node`, with a real node.

use std::process::ExitCode;

fn main() -> ExitCode {
    control_plane::command(&std::env::args().skip(1).collect::<Vec<_>>())
}
