//! `mirord`: the vaults of the configuration as a service.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::problem::Problem;
use super::tracing_output;
use crate::ambient::{Ambient, memory};
use crate::daemon::hosting::Hosting;
use crate::daemon::notify::Notify;
use crate::daemon::owner::EndSignals;
use crate::daemon::paths::Paths;

/// Hosts the configured vaults: mounts them, listens, and keeps them in step with their peers
///
/// SIGHUP reads the configuration again; SIGTERM and Ctrl-C end it in good order.
#[derive(Parser, Clone, Debug)]
#[command(name = "mirord", version)]
struct Mirord {
    /// The configuration, if it is not at its usual place
    #[arg(long, env = "BOSR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen for other devices, whatever the configuration says
    #[arg(long, env = "BOSR_LISTEN", value_name = "ADDR")]
    listen: Option<String>,
    /// Say more: the causes of an error; twice, what happens inside
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The `mirord` program.
pub fn mirord() -> ExitCode {
    memory::in_small_pages();
    let options = Mirord::parse();
    let verbose = options.verbose;
    tracing_output::start(verbose);
    match run(options) {
        Ok(exit) => exit.into(),
        Err(problem) => {
            problem.tell(verbose > 0);
            problem.exit.into()
        }
    }
}

fn run(options: Mirord) -> Result<Exit, Problem> {
    let paths = Paths::host()?;
    let config_file = options.config.clone().unwrap_or_else(|| paths.config_file());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::failed("cannot start", &error))?;
    let hosting = Hosting::new(paths, config_file.clone(), options.listen.clone(), Ambient::host());
    let outcome = runtime.block_on(host(hosting, &options, &config_file.display().to_string()));
    runtime.shutdown_background();
    outcome
}

async fn host(mut hosting: Hosting, options: &Mirord, config_file: &str) -> Result<Exit, Problem> {
    let cannot = |error: std::io::Error| Problem::failed("cannot wait for signals", &error);
    let mut end = EndSignals::listen();
    let mut reload = signal(SignalKind::hangup()).map_err(cannot)?;
    let ambient = Ambient::host();
    let notify = Notify::host();
    let mut problems = load(&mut hosting).await?;
    if hosting.count() == 0 {
        let none = Problem::new(Exit::Unavailable, format!("no vault is configured in {config_file}"));
        return Err(problems.pop().unwrap_or_else(|| none.advise("add a table [vaults.NAME]")));
    }
    tell(&problems, options);
    notify.ready(&format!("{} vaults", hosting.count()));
    loop {
        tokio::select! {
            _ = reload.recv() => {
                notify.reloading(ambient.clock.monotonic().as_micros());
                match load(&mut hosting).await {
                    Ok(problems) => tell(&problems, options),
                    Err(problem) => tell(&[problem], options),
                }
                notify.ready(&format!("{} vaults", hosting.count()));
            }
            () = end.received() => break,
        }
    }
    notify.stopping();
    let failed = hosting.close().await;
    let exit = if failed.is_empty() { Exit::Done } else { Exit::Failed };
    failed.into_iter().for_each(|(_, error)| Problem::from(error).tell(options.verbose > 0));
    Ok(exit)
}

/// Brings the vaults in line with the configuration; gives what went wrong with some of them.
async fn load(hosting: &mut Hosting) -> Result<Vec<Problem>, Problem> {
    let failed = hosting.load().await?;
    Ok(failed.into_iter().map(|(_, error)| error.into()).collect())
}

fn tell(problems: &[Problem], options: &Mirord) {
    problems.iter().for_each(|problem| problem.tell(options.verbose > 0));
}
