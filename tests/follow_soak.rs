//! Two mounted vaults that follow each other through random edits, cuts, silence, bad lines, restarts and kills.
//!
//! Each host edits a folder of its own, of which it is known what it must hold, and both write the same few files
//! in another, which gives conflicts while they are apart. An edit made while they are in touch must show on the
//! other side in time; after every disturbance they must get in touch again; now and then, and at the end, all is
//! compared: the trees, and each host's folder with what was done to it.
//!
//! Here it is a dozen rounds, and in time means two minutes, which any machine holds. `scripts/soak follow` runs it
//! for hours (`BOSR_SOAK_SECONDS`) and asks for the plan's five seconds (`BOSR_SOAK_WITHIN`). `BOSR_SEED` begins
//! chance elsewhere.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bosr_netlab::Chance;
use support::host::{Host, Running};
use support::link::Link;
use support::{tree, until_or};

const ROUNDS: usize = 12;
/// Far more than any machine needs to get two hosts in touch again.
const IN_TOUCH: Duration = Duration::from_secs(180);
/// Rounds from one comparison of everything to the next.
const COMPARE_EVERY: usize = 10;

#[test]
fn two_hosts_stay_in_step_through_edits_cuts_restarts_and_kills() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seconds = number("BOSR_SOAK_SECONDS").map(Duration::from_secs);
    let within = Duration::from_secs(number("BOSR_SOAK_WITHIN").unwrap_or(120));
    let seed = number("BOSR_SEED").unwrap_or(1);
    let mut soak = Soak::begin(seed, within, seconds.is_some());
    soak.get_in_touch("the first time");
    let mut round = 0;
    while seconds.map_or(round < ROUNDS, |seconds| soak.began.elapsed() < seconds) {
        round += 1;
        soak.disturb(round);
        soak.edit_in_touch();
        if round.is_multiple_of(COMPARE_EVERY) {
            soak.compare();
        }
    }
    soak.compare();
    soak.tell(round);
    soak.finish();
}

/// A folder that one host alone edits, as it must be: paths in it and what the files hold.
type Known = BTreeMap<String, Vec<u8>>;

struct Soak {
    following: [Option<Running>; 2],
    hosts: [Host; 2],
    link: Link,
    known: [Known; 2],
    chance: Chance,
    began: Instant,
    within: Duration,
    lingers: bool,
    edits: usize,
    delays: Vec<Duration>,
    reunions: BTreeMap<&'static str, Vec<Duration>>,
}

impl Soak {
    fn begin(seed: u64, within: Duration, lingers: bool) -> Soak {
        let link = Link::new("1gbit");
        let hosts =
            [Host::in_namespace("desk", link.namespace(0)), Host::in_namespace("laptop", link.namespace(1))];
        hosts[0].init();
        hosts[0].mount();
        hosts[1].join(&hosts[0], Some(&format!("{}:4747", Link::ADDRESSES[0])));
        hosts[1].mount();
        for name in ["own 0", "own 1", "shared", "marks"] {
            fs::create_dir(hosts[0].mountpoint().join(name)).unwrap();
        }
        let mut soak = Soak {
            following: [None, None],
            hosts,
            link,
            known: [Known::new(), Known::new()],
            chance: Chance::new(seed),
            began: Instant::now(),
            within,
            lingers,
            edits: 0,
            delays: Vec::new(),
            reunions: BTreeMap::new(),
        };
        soak.say(&format!("seed {seed}"));
        (0..2).for_each(|host| soak.follow(host));
        soak
    }

    fn say(&self, what: &str) {
        eprintln!("{:9.3} s  {what}", self.began.elapsed().as_secs_f64());
    }

    fn follow(&mut self, host: usize) {
        self.following[host] = Some(self.hosts[host].spawn("follow.log", &["sync", "--follow"]));
    }

    fn mountpoint(&self, host: usize) -> PathBuf {
        self.hosts[host].mountpoint()
    }

    /// What both hosts say, for when something does not come.
    fn states(&self) -> String {
        let state = |host: &Host| {
            let followed = fs::read_to_string(host.path("follow.log")).unwrap_or_default();
            format!("{}\n{followed}", host.output(&["status", "--json"]).status)
                + &String::from_utf8_lossy(&host.output(&["status"]).stdout)
        };
        self.hosts.iter().map(state).collect()
    }

    /// Waits until `ready`, and gives the time it took.
    fn wait(&self, what: &str, deadline: Duration, ready: impl FnMut() -> bool) -> Duration {
        until_or(what, deadline, ready, || self.states())
    }
}

/// What happens between the hosts and to them.
impl Soak {
    /// One disturbance with edits on both sides while it lasts, and its end.
    fn disturb(&mut self, round: usize) {
        let host = self.chance.below(2);
        // The first rounds have one of each, so that a short run leaves none out.
        let kinds = [
            "a cut",
            "silence",
            "silence one way",
            "a kill",
            "a restart",
            "an unmount",
            "a bad line",
            "nothing",
        ];
        let kind = kinds[if round <= kinds.len() { round - 1 } else { self.chance.below(kinds.len()) }];
        self.say(&format!("round {round}: {kind}, host {host}"));
        match kind {
            "a cut" => self.apart(|link| link.cut(), |link| link.mend()),
            "silence" => self.apart(|link| link.say("cut"), |link| link.say("clear")),
            "silence one way" => {
                let from = format!("cut from={}", ["a", "b"][host]);
                self.apart(|link| link.say(&from), |link| link.say("clear"));
            }
            "a bad line" => {
                self.apart(|link| link.say("set rtt=60ms jitter=20ms loss=2%"), |link| link.say("clear"))
            }
            "a kill" => self.kill(host),
            "a restart" => self.restart(host),
            "an unmount" => {
                self.hosts[host].unmount();
                self.edit_some(1 - host, 3);
                self.hosts[host].mount();
            }
            _ => {}
        }
        self.get_in_touch(kind);
    }

    fn apart(&mut self, begin: impl FnOnce(&Link), end: impl FnOnce(&Link)) {
        begin(&self.link);
        for _ in 0..4 {
            let host = self.chance.below(2);
            self.edit_some(host, 2);
            self.edit_shared(host);
        }
        self.linger();
        end(&self.link);
    }

    /// In a long run disturbances last up to half a minute; in a short one as long as the edits take.
    fn linger(&mut self) {
        if self.lingers {
            std::thread::sleep(Duration::from_secs_f64(30.0 * self.chance.share().powi(3)));
        }
    }

    fn kill(&mut self, host: usize) {
        self.edit_some(host, 2);
        self.hosts[host].kill_owner();
        self.following[host] = None;
        self.edit_some(1 - host, 2);
        self.linger();
        self.hosts[host].mount();
        self.follow(host);
    }

    fn restart(&mut self, host: usize) {
        self.edit_some(host, 2);
        self.following[host] = None;
        self.hosts[host].unmount();
        self.edit_some(1 - host, 2);
        self.linger();
        // Follow may come first: it starts the owner then.
        if self.chance.hits(0.5) {
            self.follow(host);
            self.hosts[host].mount();
        } else {
            self.hosts[host].mount();
            self.follow(host);
        }
    }

    /// A mark each way, after which both sides are in touch.
    fn get_in_touch(&mut self, after: &'static str) {
        let began = Instant::now();
        for host in 0..2 {
            let mark = format!("marks/{host}");
            let text = format!("{:?}", self.began.elapsed());
            let (mine, theirs) = (self.mountpoint(host).join(&mark), self.mountpoint(1 - host).join(&mark));
            self.wait("the folder of the marks", IN_TOUCH, || mine.parent().is_some_and(Path::exists));
            write_durably(&mine, text.as_bytes());
            self.wait(&format!("touch after {after}"), IN_TOUCH, || holds(&theirs, text.as_bytes()));
        }
        self.reunions.entry(after).or_default().push(began.elapsed());
    }

    /// Everything is the same on both sides, and each host's folder is as it left it.
    fn compare(&mut self) {
        self.wait("equal roots and nothing waiting", IN_TOUCH, || {
            let [a, b] = self.hosts.each_ref().map(Host::status);
            let waits = |status: &serde_json::Value| status["waiting"]["files"].as_u64() != Some(0);
            a["root"] == b["root"] && !waits(&a) && !waits(&b)
        });
        tree::assert_same_on_both(&self.mountpoint(0), &self.mountpoint(1));
        for (host, other) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let found = files_below(&self.mountpoint(other).join(format!("own {host}")));
            assert_eq!(found.keys().collect::<Vec<_>>(), self.known[host].keys().collect::<Vec<_>>());
            assert!(found == self.known[host], "host {other} holds other bytes than host {host} wrote");
        }
        self.say(&format!("both hold the same: {} files", self.known.iter().map(Known::len).sum::<usize>()));
    }

    fn tell(&mut self, rounds: usize) {
        self.delays.sort();
        let at = |share: usize| self.delays[(self.delays.len() - 1) * share / 100];
        let late = self.delays.iter().filter(|delay| **delay > Duration::from_secs(5)).count();
        self.say(&format!(
            "summary: {rounds} rounds, {} edits, {} of them in touch: median {:?}, 99 % {:?}, longest {:?}, {late} over 5 s",
            self.edits,
            self.delays.len(),
            at(50),
            at(99),
            at(100),
        ));
        for (after, times) in &self.reunions {
            let (count, longest) = (times.len(), times.iter().max().unwrap());
            self.say(&format!("summary: in touch after {after}: {count} times, longest {longest:?}"));
        }
    }

    fn finish(self) {
        drop(self.following);
        for host in &self.hosts {
            host.unmount();
            host.fsck();
        }
    }
}

/// Edits.
impl Soak {
    /// Edits of a host in its own folder, durable when this returns, so that no kill takes them away.
    fn edit_some(&mut self, host: usize, count: usize) {
        for _ in 0..count {
            self.edit(host);
        }
    }

    /// Edits while both are in touch: each shows on the other side in time.
    fn edit_in_touch(&mut self) {
        for _ in 0..5 {
            let host = self.chance.below(2);
            let changed = self.edit(host);
            let there = self.mountpoint(1 - host).join(format!("own {host}"));
            let known = &self.known[host];
            let shown = || changed.iter().all(|path| shows(&there, path, known.get(path)));
            let took = self.wait(&format!("{changed:?} on the other side"), self.within, shown);
            self.delays.push(took);
        }
    }

    /// One edit, durable when this returns; gives the paths of files that are other now.
    fn edit(&mut self, host: usize) -> Vec<String> {
        self.edits += 1;
        let own = self.mountpoint(host).join(format!("own {host}"));
        let paths: Vec<String> = self.known[host].keys().cloned().collect();
        let old = paths.get(self.chance.below(paths.len())).cloned();
        let changed = match (self.chance.below(8), old) {
            (0, Some(path)) if paths.len() > 20 => self.delete(host, &own, path),
            (1, Some(path)) => self.append(host, &own, path),
            (2, Some(path)) => self.rename(host, &own, path),
            (3, Some(path)) => self.rename_folder(host, &own, &path),
            (4, Some(path)) => self.write(host, &own, path),
            _ => {
                let path = format!("folder {}/file {}", self.chance.below(5), self.edits);
                self.write(host, &own, path)
            }
        };
        // Of all earlier operations too: the journal has one order.
        File::open(&own).unwrap().sync_all().unwrap();
        changed
    }

    fn bytes(&mut self) -> Vec<u8> {
        let longest = if self.chance.hits(0.1) { 4 << 20 } else { 20_000 };
        let length = self.chance.below(longest);
        let mut bytes = format!("edit {}\n", self.edits).into_bytes();
        bytes
            .extend(std::iter::repeat_with(|| self.chance.number().to_le_bytes()).take(length / 8).flatten());
        bytes
    }

    fn write(&mut self, host: usize, own: &Path, path: String) -> Vec<String> {
        let bytes = self.bytes();
        fs::create_dir_all(own.join(&path).parent().unwrap()).unwrap();
        write_durably(&own.join(&path), &bytes);
        self.known[host].insert(path.clone(), bytes);
        vec![path]
    }

    fn append(&mut self, host: usize, own: &Path, path: String) -> Vec<String> {
        let more = format!("appended in edit {}\n", self.edits).into_bytes();
        let mut file = OpenOptions::new().append(true).open(own.join(&path)).unwrap();
        file.write_all(&more).unwrap();
        file.sync_all().unwrap();
        self.known[host].get_mut(&path).unwrap().extend(more);
        vec![path]
    }

    fn delete(&mut self, host: usize, own: &Path, path: String) -> Vec<String> {
        fs::remove_file(own.join(&path)).unwrap();
        self.known[host].remove(&path);
        vec![path]
    }

    fn rename(&mut self, host: usize, own: &Path, path: String) -> Vec<String> {
        let new = format!("folder {}/renamed {}", self.chance.below(5), self.edits);
        fs::create_dir_all(own.join(&new).parent().unwrap()).unwrap();
        fs::rename(own.join(&path), own.join(&new)).unwrap();
        let bytes = self.known[host].remove(&path).unwrap();
        self.known[host].insert(new.clone(), bytes);
        vec![path, new]
    }

    fn rename_folder(&mut self, host: usize, own: &Path, path: &str) -> Vec<String> {
        let (folder, _) = path.split_once('/').unwrap();
        let new = format!("moved {}", self.edits);
        fs::rename(own.join(folder), own.join(&new)).unwrap();
        let below = format!("{folder}/");
        let moved: Vec<String> =
            self.known[host].keys().filter(|path| path.starts_with(&below)).cloned().collect();
        let mut changed = moved.clone();
        for path in moved {
            let bytes = self.known[host].remove(&path).unwrap();
            let there = format!("{new}/{}", &path[below.len()..]);
            self.known[host].insert(there.clone(), bytes);
            changed.push(there);
        }
        changed
    }

    /// Writes one of a few files that both write: a conflict if the other does so before they are in touch.
    fn edit_shared(&mut self, host: usize) {
        self.edits += 1;
        let shared = self.mountpoint(host).join("shared");
        if self.chance.hits(0.2) {
            remove_tombstones(&shared);
        }
        let name = format!("file {}.txt", self.chance.below(3));
        write_durably(&shared.join(name), format!("edit {} of host {host}\n", self.edits).as_bytes());
    }
}

fn write_durably(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

/// Whether a file holds exactly that.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let length = fs::metadata(path).map(|found| found.len());
    length.is_ok_and(|length| length == bytes.len() as u64)
        && fs::read(path).is_ok_and(|found| found == bytes)
}

/// Whether a path shows what it must: these bytes, or nothing.
fn shows(folder: &Path, path: &str, bytes: Option<&Vec<u8>>) -> bool {
    let place = folder.join(path);
    bytes.map_or_else(|| !place.exists(), |bytes| holds(&place, bytes))
}

/// Decides conflicts for what stands.
fn remove_tombstones(folder: &Path) {
    let entries = fs::read_dir(folder).unwrap().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().contains(".tombstone-")) {
        // Another decision may have come across just now.
        let _ = fs::remove_file(entry.path());
    }
}

fn files_below(folder: &Path) -> Known {
    let mut found = Known::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}
