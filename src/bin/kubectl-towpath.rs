//! The plugin of kubectl: everything is in `cli`.

fn main() -> std::process::ExitCode {
    towpath::cli::plugin()
}
