//! The `mirord` service.

fn main() -> std::process::ExitCode {
    bosr::cli::mirord()
}
