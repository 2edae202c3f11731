//! What stands of labs on this machine: one folder each in `/run/bosr-netlab`, which names the process that keeps
//! it. Where that process is gone, the lab is taken down by whoever looks.

use std::fs;
use std::path::PathBuf;

use crate::LabError;
use crate::system::ip;

const FOLDER: &str = "/run/bosr-netlab";
const KEEPER: &str = "keeper";

/// The folder of a lab.
pub(crate) fn folder(tag: &str) -> PathBuf {
    PathBuf::from(FOLDER).join(tag)
}

/// Notes that this process keeps a lab of that name.
///
/// # Errors
/// The name is taken, or the folder cannot be made.
pub(crate) fn claim(tag: &str) -> Result<(), LabError> {
    let folder = folder(tag);
    let made = fs::create_dir_all(FOLDER).and_then(|()| fs::create_dir(&folder));
    made.map_err(LabError::system(format!("{}", folder.display())))?;
    let keeper = process(std::process::id()).unwrap_or_default();
    fs::write(folder.join(KEEPER), keeper).map_err(LabError::system("the keeper's file"))
}

/// Takes down the namespaces of a lab and forgets it.
pub(crate) fn take_down(tag: &str) {
    for namespace in namespaces(tag) {
        let _ = ip(&format!("netns del {namespace}"));
    }
    let _ = fs::remove_dir_all(folder(tag));
}

/// Takes down every lab whose keeper is gone.
pub(crate) fn sweep() {
    for tag in tags() {
        if !alive(&tag) {
            take_down(&tag);
        }
    }
}

/// The labs that are up.
pub(crate) fn labs() -> Vec<String> {
    tags().into_iter().filter(|tag| alive(tag)).collect()
}

fn tags() -> Vec<String> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn namespaces(tag: &str) -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.rsplit_once('.').is_some_and(|(lab, _)| lab == tag)).collect()
}

/// Whether the keeper lives. A folder without one is being made just now.
fn alive(tag: &str) -> bool {
    let Ok(keeper) = fs::read_to_string(folder(tag).join(KEEPER)) else { return true };
    let pid = keeper.split(' ').next().and_then(|pid| pid.parse().ok());
    pid.and_then(process).is_some_and(|now| now == keeper)
}

/// A process by its id and the time it began, which no other shares; none that has ended and only waits for its
/// parent to hear of it.
fn process(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let facts: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ended = facts.first().is_none_or(|state| matches!(*state, "Z" | "X"));
    facts.get(19).filter(|_| !ended).map(|began| format!("{pid} {began}"))
}
