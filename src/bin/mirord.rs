//! The `mirord` service.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
