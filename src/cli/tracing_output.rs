//! What happens inside, on stderr: `BOSR_LOG` filters it. Names and contents of the user are never in it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::ambient::files;
use crate::daemon::paths::Paths;

/// Turns it on. Without `BOSR_LOG`, warnings are shown, and with `-vv` what happens.
pub(super) fn start(verbose: u8) {
    let default = if verbose > 1 { "bosr=info" } else { "warn" };
    let filter = EnvFilter::builder().parse_lossy(
        std::env::var("BOSR_LOG").ok().filter(|set| !set.is_empty()).as_deref().unwrap_or(default),
    );
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    // Fails only if it is on already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .try_init();
}

/// In a process without a terminal: to a file in the state folder, if `BOSR_LOG` asks for it.
pub(super) fn start_in_background() {
    let Some(wanted) = std::env::var("BOSR_LOG").ok().filter(|set| !set.is_empty()) else { return };
    let Some(file) = Paths::host().ok().and_then(|paths| files::append(&paths.owner_log(), 0o600).ok())
    else {
        return;
    };
    let filter = EnvFilter::builder().parse_lossy(wanted);
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(file).try_init();
}
