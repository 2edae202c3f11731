//! Scenarios on real mounts with real sync, run by ordinary tools: all of them at once, each in a folder of its
//! own, phase by phase.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Command, Deed, Scenario, Shown, compare, without_numbers};
use crate::support::host::Host;
use crate::support::{shell, until};

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs all scenarios; what went wrong, if anything.
pub(crate) fn run(scenarios: &[Scenario], hosts: [&Host; 2]) -> Vec<String> {
    let [laptop, desktop] = hosts;
    let make = (0..scenarios.len()).map(|index| format!("{}\n", folder(index)));
    shell(&laptop.mountpoint(), &format!("xargs mkdir <<END\n{}END", make.collect::<String>()));
    sync(laptop, desktop);
    let mut wrong = Vec::new();
    for phase in 0..scenarios.iter().map(|scenario| scenario.phases.len()).max().unwrap_or(0) {
        pass_time(&desktop.mountpoint());
        for (index, host) in hosts.iter().enumerate() {
            let deeds = scenarios.iter().enumerate().filter_map(|(number, scenario)| {
                let deeds = &scenario.phases.get(phase)?.deeds[index];
                Some(script(&folder(number), &scenario.title, deeds))
            });
            let said = shell(&host.mountpoint(), &deeds.collect::<String>());
            wrong.extend(said.lines().map(str::to_owned));
        }
        sync(laptop, desktop);
        for (number, scenario) in scenarios.iter().enumerate() {
            let Some(expected) = scenario.phases.get(phase).and_then(|phase| phase.expected.as_ref()) else {
                continue;
            };
            for (host, name) in hosts.iter().zip(super::DEVICES) {
                let tree = || compare(expected, shows(&host.mountpoint().join(folder(number))));
                if let Some(told) = tree() {
                    wrong.push(format!("{}\n  {name} {told}", scenario.title));
                }
            }
        }
    }
    wrong
}

fn folder(index: usize) -> String {
    format!("s{index}")
}

fn sync(laptop: &Host, desktop: &Host) {
    until("agreement", DEADLINE, || {
        let code = desktop.output(&["sync"]).status.code();
        assert!(matches!(code, Some(0 | 3)), "bosr sync: {code:?}");
        !laptop.root().is_empty() && laptop.root() == desktop.root()
    });
}

/// Makes many operations, so that what comes is later than what others do meanwhile.
fn pass_time(mount: &Path) {
    for mode in (0..4000).map(|index| 0o755 - index % 2) {
        fs::set_permissions(mount, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// What a shell is to run; it prints what should not have worked, or should have.
fn script(folder: &str, title: &str, deeds: &[Deed]) -> String {
    let one = |deed: &Deed| {
        let told = format!("{title}: line {}", deed.line);
        let ran = format!("(cd {folder} && {}) >/dev/null 2>&1", words(&deed.command));
        match deed.fails {
            true => format!("if {ran}; then echo '{told}: works'; fi\n"),
            false => format!("if ! {ran}; then echo '{told}: fails'; fi\n"),
        }
    };
    deeds.iter().map(one).collect()
}

/// A path in the words of the shell: tombstones by a pattern, since their names have numbers.
fn path(path: &str) -> String {
    let parts = path.split('/').map(|name| match name.split_once(".tombstone-") {
        None => format!("'{name}'"),
        Some((stem, rest)) => {
            let (device, extension) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
            format!("'{stem}.tombstone-{device}'-*[0-9]'{extension}'")
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn words(command: &Command) -> String {
    match command {
        Command::Write(at, text) => format!("printf %s '{text}' > {}", path(at)),
        Command::Save(at, text) => {
            let at = path(at);
            format!("printf %s '{text}' > {at}.new && mv -T {at}.new {at}")
        }
        Command::Vim(at, text) => {
            format!(
                "vim -Nu NONE -es -c 'set noeol nofixeol writebackup backupcopy=no backupskip=' -c '%s/.*/{text}/' -c 'wq!' {}",
                path(at)
            )
        }
        Command::Mkdir(at) => format!("mkdir {}", path(at)),
        Command::Rm(at) => format!("rm -f {0} && ! test -e {0}", path(at)),
        Command::RmAll(at) => format!("rm -r {}", path(at)),
        Command::Rmdir(at) => format!("rmdir {}", path(at)),
        Command::Mv(from, to) => format!("mv {} {}", path(from), path(to)),
        Command::Cp(from, to) => format!("cp {} {}", path(from), path(to)),
        Command::Link(from, to) => format!("ln {} {}", path(from), path(to)),
        Command::Symlink(target, at) => format!("ln -s '{target}' {}", path(at)),
        Command::Chmod(mode, at) => format!("chmod {mode:o} {}", path(at)),
    }
}

fn shows(folder: &Path) -> Vec<Shown> {
    let mut all = Vec::new();
    list(folder, "", &mut all);
    all
}

fn list(folder: &Path, above: &str, all: &mut Vec<Shown>) {
    for entry in fs::read_dir(folder).unwrap() {
        let at = entry.unwrap().path();
        let meta = fs::symlink_metadata(&at).unwrap();
        let path = format!("{above}{}", at.file_name().unwrap().to_string_lossy());
        let what = match (meta.is_dir(), meta.is_symlink()) {
            (true, _) => "/".to_owned(),
            (_, true) => format!("->{}", fs::read_link(&at).unwrap().display()),
            _ => format!("={}", fs::read_to_string(&at).unwrap()),
        };
        let mode = meta.permissions().mode() & 0o7777;
        all.push(Shown { path: without_numbers(&path), what, mode });
        if meta.is_dir() {
            list(&at, &format!("{path}/"), all);
        }
    }
}
