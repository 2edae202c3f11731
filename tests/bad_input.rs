//! Bad input of every kind: a named error, the right exit code, and the vault as before.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use support::host::Host;

/// Fails unless `bosr` refused with this exit code and one line on standard error.
fn refused(output: &Output, code: i32, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{what}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{what}: {said}");
    assert!(said.starts_with("bosr: ") && !said.contains("panicked"), "{what}: {said}");
}

fn host_with_a_file() -> Host {
    let host = Host::new("desk");
    host.init();
    let file = host.path("file");
    fs::write(&file, "kept").unwrap();
    host.ok(&["put", file.to_str().unwrap(), "file"]);
    host
}

fn is_as_before(host: &Host) {
    assert_eq!(host.ok(&["cat", "file"]), "kept");
    host.fsck();
}

/// No vault, a wrong key, a key file that is none.
#[test]
fn wrong_keys_are_told_from_missing_vaults() {
    let host = host_with_a_file();
    refused(&host.output(&["ls", "--vault", "nowhere"]), 5, "a vault that is not there");
    let other = Host::new("other");
    other.init();
    let key = other.path("home/key");
    refused(&host.output(&["ls", "--key-file", key.to_str().unwrap()]), 12, "the key of another vault");
    let phrase = host.path("phrase");
    fs::write(&phrase, "not it\n").unwrap();
    refused(&host.output(&["ls", "--passphrase-file", phrase.to_str().unwrap()]), 12, "a passphrase");
    let empty = host.path("empty");
    fs::write(&empty, "").unwrap();
    let output = host.output(&["ls", "--key-file", empty.to_str().unwrap()]);
    assert_ne!(output.status.code(), Some(0), "an empty key file");
    is_as_before(&host);
}

/// vault.toml missing, cut, or with any bit flipped: refused, and good again when it is put back. Its first
/// lines are a comment for people, where a bit more or less does no harm.
#[test]
fn a_damaged_vault_file_opens_nothing() {
    let host = host_with_a_file();
    let path = host.store().join("vault.toml");
    let good = fs::read(&path).unwrap();
    let refuses = |bytes: Option<&[u8]>, what: &str| {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let output = host.output(&["ls"]);
        let code = output.status.code().unwrap();
        assert!([1, 5, 12].contains(&code), "{what}: {code}");
        refused(&output, code, what);
    };
    refuses(None, "no vault file");
    for share in [0, 1, 3, 9] {
        refuses(Some(&good[..good.len() * share / 10]), "a cut vault file");
    }
    let comment: usize = good
        .split_inclusive(|byte| *byte == b'\n')
        .take_while(|line| line.starts_with(b"#"))
        .map(<[u8]>::len)
        .sum();
    for at in (comment..good.len()).step_by(good.len() / 12) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        refuses(Some(&bad), &format!("a bit flipped at {at}"));
    }
    fs::write(&path, &good).unwrap();
    is_as_before(&host);
}

/// A ticket with a letter changed, and one that was used.
#[test]
fn tickets_work_once_and_only_as_they_are() {
    let inviter = host_with_a_file();
    inviter.mount();
    let printed = inviter.ok(&["invite"]);
    let ticket = printed.lines().next().unwrap();
    let join = |ticket: &str, host: &Host| {
        let key = host.path("home/key");
        host.output(&["join", ticket, "--device", "laptop", "--key-file", key.to_str().unwrap()])
    };
    let joiner = Host::new("laptop");
    let last = ticket.len() - 1;
    let letter = if ticket.ends_with('a') || ticket.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{letter}", &ticket[..last]);
    refused(&join(&changed, &joiner), 1, "a changed ticket");
    assert!(!joiner.store().join("vault.toml").exists(), "nothing is left of a refused ticket");
    let joined = join(ticket, &joiner);
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    let late = Host::new("late");
    let again = join(ticket, &late);
    assert!(!again.status.success());
    refused(&again, again.status.code().unwrap(), "a ticket that was used");
    inviter.unmount();
    is_as_before(&inviter);
}

/// Peers that send random bytes, half a frame, a huge length, or nothing.
#[test]
fn nonsense_from_the_network_changes_nothing() {
    let host = host_with_a_file();
    let other = Host::new("laptop");
    host.mount();
    other.join(&host, None);
    let address = host.status()["listen"].as_str().unwrap().to_owned();
    let root = host.root();
    let noise: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let mut huge = b"bosr-mirror/1".to_vec();
    huge.extend([0xff; 64]);
    let all: [&[u8]; 5] = [&noise, b"bosr-mirror/1", b"bosr", &huge, b"GET / HTTP/1.1\r\n\r\n"];
    for sent in all {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(sent);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        // It is cut off, with or without a word.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 1000);
    }
    assert_eq!(host.root(), root);
    other.ok(&["sync"]);
    assert_eq!(other.ok(&["cat", "file"]), "kept");
    host.unmount();
    is_as_before(&host);
}

/// Bytes changed inside the store: fsck finds them and says so, nothing panics.
#[test]
fn fsck_finds_damage_in_the_store() {
    let host = host_with_a_file();
    let big = host.path("big");
    fs::write(
        &big,
        (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>(),
    )
    .unwrap();
    host.ok(&["put", big.to_str().unwrap(), "big"]);
    let segment = first_segment(&host.store().join("log"));
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&segment, bytes).unwrap();
    let output = host.output(&["fsck"]);
    assert_eq!(output.status.code(), Some(26), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(host.ok(&["cat", "file"]), "kept");
}

fn first_segment(log: &Path) -> std::path::PathBuf {
    let mut all: Vec<_> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.swap_remove(0)
}
