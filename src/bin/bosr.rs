//! The `bosr` command.

fn main() -> std::process::ExitCode {
    bosr::cli::bosr()
}
