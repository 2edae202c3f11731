//! A small language for what two devices do to one vault, and what both then see. See `tests/scenarios/README.md`.

pub(crate) mod model;
pub(crate) mod mounted;

use std::fs;
use std::path::Path;

/// The two devices. What the second does in a phase always comes later than what the first does.
pub(crate) const DEVICES: [&str; 2] = ["laptop", "desktop"];

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Writes a text into a file, in place.
    Write(String, String),
    /// Saves as most editors do: a new file beside the old, renamed over it.
    Save(String, String),
    /// Opens in vim, replaces the text, writes and leaves.
    Vim(String, String),
    Mkdir(String),
    Rm(String),
    RmAll(String),
    Rmdir(String),
    Mv(String, String),
    Cp(String, String),
    Link(String, String),
    /// Target and place.
    Symlink(String, String),
    Chmod(u32, String),
}

/// A command with who runs it.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) command: Command,
    pub(crate) fails: bool,
    pub(crate) line: usize,
}

/// What both do apart, then meet, then see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase {
    pub(crate) deeds: [Vec<Deed>; 2],
    pub(crate) expected: Option<Vec<String>>,
}

/// One scenario.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// File, line and title.
    pub(crate) title: String,
    pub(crate) phases: Vec<Phase>,
}

/// Something a tree shows: its path, with numbers of tombstones left out; what it is; its permissions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown {
    pub(crate) path: String,
    pub(crate) what: String,
    pub(crate) mode: u32,
}

/// All scenarios of a folder, file by file.
pub(crate) fn read_all(folder: &Path) -> Vec<Scenario> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<Scenario> {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let mut given: Vec<Phase> = vec![Phase::default()];
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        let at = format!("{file}:{number}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("scenario ") {
            let mut phases = given.clone();
            phases.push(Phase::default());
            scenarios.push(Scenario { title: format!("{at} {title}"), phases });
            continue;
        }
        let phases = scenarios.last_mut().map_or(&mut given, |scenario| &mut scenario.phases);
        let phase = phases.last_mut().unwrap();
        let words = words(line);
        match words[0].as_str() {
            "given" => {}
            "join" => phases.push(Phase::default()),
            "expect" => {
                phase.expected = Some(words[1..].to_vec());
                phases.push(Phase::default());
            }
            who => {
                let device = DEVICES.iter().position(|name| who.strip_suffix(':') == Some(name));
                let device = device.unwrap_or_else(|| panic!("{at}: nobody is called {who}"));
                let fails = words[1] == "!";
                let command = command(&words[1 + usize::from(fails)..]);
                let command = command.unwrap_or_else(|| panic!("{at}: {line} is no command"));
                phase.deeds[device].push(Deed { command, fails, line: number });
            }
        }
    }
    for scenario in &mut scenarios {
        scenario
            .phases
            .retain(|phase| phase.expected.is_some() || phase.deeds.iter().any(|it| !it.is_empty()));
        assert!(scenario.phases.iter().any(|phase| phase.expected.is_some()), "{}", scenario.title);
    }
    scenarios
}

/// Words, of which a part may stand in quotes: `f="two words"`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (None, false);
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_with(String::new);
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_with(String::new).push(other),
        }
    }
    words.extend(word);
    words
}

fn command(words: &[String]) -> Option<Command> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let own = str::to_owned;
    Some(match words.as_slice() {
        ["write", path, text] => Command::Write(own(path), own(text)),
        ["save", path, text] => Command::Save(own(path), own(text)),
        ["vim", path, text] => Command::Vim(own(path), own(text)),
        ["mkdir", path] => Command::Mkdir(own(path)),
        ["rm", "-r", path] => Command::RmAll(own(path)),
        ["rm", path] => Command::Rm(own(path)),
        ["rmdir", path] => Command::Rmdir(own(path)),
        ["mv", from, to] => Command::Mv(own(from), own(to)),
        ["cp", from, to] => Command::Cp(own(from), own(to)),
        ["ln", "-s", target, path] => Command::Symlink(own(target), own(path)),
        ["ln", from, to] => Command::Link(own(from), own(to)),
        ["chmod", mode, path] => Command::Chmod(u32::from_str_radix(mode, 8).ok()?, own(path)),
        _ => return None,
    })
}

/// A path without the numbers in the names of tombstones.
pub(crate) fn without_numbers(path: &str) -> String {
    let parts = path.split('/').map(|name| {
        let Some((stem, rest)) = name.split_once(".tombstone-") else { return name.to_owned() };
        let end = rest.find('.').unwrap_or(rest.len());
        let device = rest[..end].split('-').next().unwrap_or_default();
        format!("{stem}.tombstone-{device}{}", &rest[end..])
    });
    parts.collect::<Vec<_>>().join("/")
}

impl Shown {
    fn told(&self, with_mode: bool) -> String {
        let mode = if with_mode { format!(":{:o}", self.mode) } else { String::new() };
        format!("{}{}{mode}", self.path, self.what)
    }
}

/// What is wrong with a tree, if anything. Permissions count where they are expected.
pub(crate) fn compare(expected: &[String], mut tree: Vec<Shown>) -> Option<String> {
    tree.sort();
    let fits = |words: &[String]| {
        let mut left: Vec<&String> = words.iter().collect();
        tree.iter().all(|shown| {
            let found =
                left.iter().position(|word| **word == shown.told(false) || **word == shown.told(true));
            found.map(|index| left.remove(index)).is_some()
        }) && left.is_empty()
    };
    let told = || tree.iter().map(|shown| shown.told(true)).collect::<Vec<_>>().join(" ");
    (!fits(expected)).then(|| format!("expected {}\n     sees {}", expected.join(" "), told()))
}
