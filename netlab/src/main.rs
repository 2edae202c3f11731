//! `netlab`: labs from the command line.
#![allow(clippy::disallowed_methods, reason = "a lab of real clocks, real files and real waiting")]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use bosr_netlab::{Lab, LabError, Plan, serve};
use clap::{Args, Parser, Subcommand};

/// Hosts in network namespaces, with rate, delay, loss and partition at will
///
/// Each lab has its own namespaces; labs whose process was killed are taken down by the next `up`. Needs root.
#[derive(Parser)]
#[command(name = "netlab", version, after_help = EXAMPLE)]
struct Netlab {
    /// The lab, where more than one is up
    #[arg(long, env = "NETLAB", global = true)]
    tag: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLE: &str = "\
Conditions:
  delay=50ms or rtt=100ms   one way, or there and back      loss=1%   reorder=1%   of single packets
  jitter=5ms                up to that, keeps the order     silent=yes             nothing gets through
  drop=tcp|udp|none         one protocol shut out           rate=100mbit           what a host may send
  before them from=A, to=B or between=A,B; without: everywhere

Example:
  scripts/netlab up --rate 1gbit
  scripts/netlab set rtt=100ms loss=0.1%
  scripts/netlab run a ping -c 3 10.77.0.2
  scripts/netlab cut from=a        one-way silence; `mend` ends it
  scripts/netlab down";

#[derive(Subcommand)]
enum Verb {
    /// Brings a lab up in the background and prints its name
    Up(New),
    /// The same in the foreground: takes commands on standard input, and ends with it
    Serve(New),
    /// Runs a program on a host
    #[command(visible_alias = "exec")]
    Run {
        /// The host
        host: String,
        /// The program and its words
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Changes conditions: delay=50ms loss=1% …
    Set(Words),
    /// Takes all conditions away
    Clear(Words),
    /// Lets nothing through; nobody is told
    Cut(Words),
    /// Lets it through again
    Mend(Words),
    /// Pulls a host's cable out, which it sees
    Unplug {
        /// The host
        host: String,
    },
    /// Puts it back
    Plug {
        /// The host
        host: String,
    },
    /// Tells hosts, conditions and counts
    Show,
    /// Tells the bytes that a host has sent and received
    Traffic {
        /// The host
        host: String,
    },
    /// Lists the labs that are up
    List,
    /// Takes the lab down
    Down,
}

#[derive(Args)]
struct New {
    /// The hosts
    #[arg(long, value_delimiter = ',', default_value = "a,b")]
    hosts: Vec<String>,
    /// What each host may send, in the words of tc: 100mbit, 1gbit
    #[arg(long)]
    rate: Option<String>,
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stay when standard input ends
    #[arg(long, hide = true)]
    detached: bool,
}

#[derive(Args)]
struct Words {
    /// KEY=VALUE
    words: Vec<String>,
}

fn main() -> ExitCode {
    match run(Netlab::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netlab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(netlab: Netlab) -> Result<(), LabError> {
    let tag = netlab.tag;
    let say = |verb: &str, words: &[String]| {
        let answer = serve::tell(&the_lab(tag.clone())?, &format!("{verb} {}", words.join(" ")))?;
        print!("{answer}");
        Ok(())
    };
    match netlab.verb {
        Verb::Up(new) => up(tag, &new),
        Verb::Serve(new) => {
            let signals = serve::ending_signals()?;
            let lab = Lab::up(&Plan { hosts: new.hosts, rate: new.rate, seed: new.seed, tag })?;
            serve::serve(&lab, &signals, !new.detached)
        }
        Verb::Run { host, command } => enter(&the_lab(tag)?, &host, &command),
        Verb::Set(words) => say("set", &words.words),
        Verb::Clear(words) => say("clear", &words.words),
        Verb::Cut(words) => say("cut", &words.words),
        Verb::Mend(words) => say("mend", &words.words),
        Verb::Unplug { host } => say("unplug", &[host]),
        Verb::Plug { host } => say("plug", &[host]),
        Verb::Show => say("show", &[]),
        Verb::Traffic { host } => say("traffic", &[host]),
        Verb::Down => say("down", &[]),
        Verb::List => {
            Lab::all().iter().for_each(|tag| println!("{tag}"));
            Ok(())
        }
    }
}

/// The lab that was named, or the only one.
fn the_lab(tag: Option<String>) -> Result<String, LabError> {
    if let Some(tag) = tag {
        return Ok(tag);
    }
    let labs = Lab::all();
    match labs.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(LabError::Asked("no lab is up: begin with `netlab up`".into())),
        _ => Err(LabError::Asked(format!("several labs are up, name one with --tag: {}", labs.join(", ")))),
    }
}

fn up(tag: Option<String>, new: &New) -> Result<(), LabError> {
    let system = |error| LabError::System { what: "starting the lab".into(), error };
    let mut command = Command::new("setsid");
    command.arg(std::env::current_exe().map_err(system)?).args(["serve", "--detached"]);
    command.args(["--hosts", &new.hosts.join(","), "--seed", &new.seed.to_string()]);
    command.args(new.rate.iter().flat_map(|rate| ["--rate", rate]));
    command.args(tag.iter().flat_map(|tag| ["--tag", tag]));
    let log = std::env::temp_dir().join(format!("netlab-{}.log", std::process::id()));
    let said = std::fs::File::create(&log).map_err(system)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said).spawn().map_err(system)?;
    let mut name = String::new();
    if let Some(out) = child.stdout {
        BufReader::new(out).read_line(&mut name).map_err(system)?;
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    if name.is_empty() {
        return Err(LabError::Asked(said.trim().trim_start_matches("netlab: ").into()));
    }
    print!("{name}");
    Ok(())
}

/// Becomes the program. Only the network is the host's: mounts made by it are seen by all.
fn enter(tag: &str, host: &str, command: &[String]) -> Result<(), LabError> {
    let network = format!("--net=/run/netns/{tag}.{host}");
    let error = Command::new("nsenter").arg(network).arg("--").args(command).exec();
    Err(LabError::System { what: command.join(" "), error })
}
