//! Changes behind the kernel's back: unseen while it may remember, seen once it is told.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bosr_mount::{Inode, InvalidateError, Permissions};

use crate::Mounted;
use crate::memory::Content;

#[test]
fn attributes_are_asked_for_again() {
    let mounted = Mounted::new();
    let inode = mounted.memory.put("a", b"a");
    let mode = || fs::metadata(mounted.path("a")).unwrap().mode() & 0o7777;
    assert_eq!(mode(), 0o644);
    mounted.memory.change(inode, |node| node.attributes.permissions = Permissions::from_mode(0o600));
    assert_eq!(mode(), 0o644, "remembered");
    mounted.mount.invalidator().attributes(inode).unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn content_is_read_again_longer_shorter_or_as_long() {
    let mounted = Mounted::new();
    let inode = mounted.memory.put("a", b"first");
    let mut open = fs::File::open(mounted.path("a")).unwrap();
    let mut read = || {
        let mut text = String::new();
        open.seek(SeekFrom::Start(0)).unwrap();
        open.read_to_string(&mut text).unwrap();
        (text, fs::read_to_string(mounted.path("a")).unwrap())
    };
    assert_eq!(read().0, "first");
    let long = "much longer than it was ".repeat(1_000);
    for (before, after) in [("first", "other"), ("other", long.as_str()), (long.as_str(), "short")] {
        mounted.memory.change(inode, |node| node.fill(after.as_bytes()));
        assert_eq!(read(), (before.to_owned(), before.to_owned()), "remembered");
        mounted.mount.invalidator().content(inode).unwrap();
        assert_eq!(read(), (after.to_owned(), after.to_owned()));
    }
}

#[test]
fn the_target_of_a_link_is_read_again() {
    let mounted = Mounted::new();
    std::os::unix::fs::symlink("old", mounted.path("link")).unwrap();
    let target = || fs::read_link(mounted.path("link")).unwrap();
    assert_eq!(target().to_str(), Some("old"));
    let inode = mounted.memory.inode("link");
    mounted.memory.change(inode, |node| node.content = Content::Link("new".into()));
    assert_eq!(target().to_str(), Some("old"), "remembered");
    mounted.mount.invalidator().content(inode).unwrap();
    assert_eq!(target().to_str(), Some("new"));
}

#[test]
fn a_name_that_appears_is_found() {
    let mounted = Mounted::new();
    assert!(!mounted.path("a").exists());
    mounted.memory.put("a", b"a");
    assert!(!mounted.path("a").exists(), "that there is nothing is remembered");
    mounted.mount.invalidator().entry(Inode::ROOT, OsStr::new("a")).unwrap();
    assert!(mounted.path("a").exists());
}

#[test]
fn a_name_that_goes_is_gone() {
    let mounted = Mounted::new();
    let inode = mounted.memory.put("a", b"a");
    assert!(mounted.path("a").exists());
    mounted.memory.remove("a");
    assert!(mounted.path("a").exists(), "remembered");
    mounted.mount.invalidator().removed(Inode::ROOT, inode, OsStr::new("a")).unwrap();
    assert!(!mounted.path("a").exists());
}

#[test]
fn removing_a_name_that_leads_elsewhere_by_now_still_asks_again() {
    let mounted = Mounted::new();
    fs::create_dir(mounted.path("folder")).unwrap();
    fs::write(mounted.path("folder/held"), b"").unwrap();
    let folder = mounted.memory.inode("folder");
    mounted.memory.remove("folder");
    mounted.mount.invalidator().removed(Inode::ROOT, folder, OsStr::new("folder")).unwrap();
    assert!(!mounted.path("folder").exists());
}

#[test]
fn a_file_put_in_the_place_of_another_leaves_the_open_one_alone() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"old content");
    let mut open = fs::File::open(mounted.path("a")).unwrap();
    mounted.memory.put("a", b"new");
    mounted.mount.invalidator().entry(Inode::ROOT, OsStr::new("a")).unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old content");
    assert_eq!(fs::read(mounted.path("a")).unwrap(), b"new");
}

#[test]
fn a_listing_is_read_again() {
    let mounted = Mounted::new();
    mounted.memory.put("a", b"");
    let count = || fs::read_dir(mounted.path("")).unwrap().count();
    assert_eq!((count(), count()), (1, 1));
    mounted.memory.put("b", b"");
    assert_eq!(count(), 1, "remembered");
    mounted.mount.invalidator().listing(Inode::ROOT).unwrap();
    assert_eq!(count(), 2);
}

#[test]
fn what_the_kernel_does_not_know_is_no_error() {
    let mounted = Mounted::new();
    let invalidator = mounted.mount.invalidator();
    invalidator.attributes(Inode(4711)).unwrap();
    invalidator.content(Inode(4711)).unwrap();
    invalidator.listing(Inode(4711)).unwrap();
    invalidator.entry(Inode::ROOT, OsStr::new("never seen")).unwrap();
    invalidator.entry(Inode(4711), OsStr::new("a")).unwrap();
    invalidator.removed(Inode::ROOT, Inode(4711), OsStr::new("never seen")).unwrap();
}

#[test]
fn after_the_end_there_is_nothing_to_invalidate() {
    let mounted = Mounted::new();
    let invalidator = mounted.mount.invalidator();
    mounted.mount.unmount().unwrap();
    assert!(matches!(invalidator.attributes(Inode::ROOT), Err(InvalidateError::Ended)));
    assert!(matches!(invalidator.entry(Inode::ROOT, OsStr::new("a")), Err(InvalidateError::Ended)));
    invalidator.wait_for_earlier().unwrap();
}

#[test]
fn invalidating_under_load_neither_deadlocks_nor_loses_a_write() {
    let mounted = Mounted::new();
    for number in 0..4 {
        fs::write(mounted.path(&format!("file{number}")), b"").unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|number| {
                let mounted = &mounted;
                scope.spawn(move || {
                    for round in 0..500_usize {
                        let own = mounted.path(&format!("own{number}-{round}"));
                        let text = vec![round as u8; 5_000];
                        fs::write(&own, &text).unwrap();
                        assert_eq!(fs::read(&own).unwrap(), text);
                        fs::metadata(mounted.path(&format!("file{}", round % 4))).unwrap();
                        fs::rename(&own, mounted.path(&format!("moved{number}"))).unwrap();
                        assert!(fs::read_dir(mounted.path("")).unwrap().count() >= 4);
                    }
                })
            })
            .collect();
        let invalidating = scope.spawn(|| {
            let invalidator = mounted.mount.invalidator();
            let mut rounds = 0_u64;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                invalidator.wait_for_earlier().unwrap();
                for number in 0..4 {
                    let name = format!("file{number}");
                    invalidator.entry(Inode::ROOT, OsStr::new(&name)).unwrap();
                    invalidator.content(mounted.memory.inode(&name)).unwrap();
                }
                for inode in 2..40 {
                    invalidator.content(Inode(inode)).unwrap();
                }
                invalidator.listing(Inode::ROOT).unwrap();
                rounds += 1;
            }
        });
        let results: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        invalidating.join().unwrap();
        for result in results {
            result.unwrap();
        }
    });
}
