//! A peer changes files while many programs read, write and map them on the mount: nobody waits for ever, what is
//! open keeps a whole version, what is opened next shows the newest.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "model/replica.rs"]
#[allow(dead_code)]
mod replica;
#[path = "model/step.rs"]
#[allow(dead_code)]
mod step;
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bosr_mount::{Mount, MountOptions};
use bosr_netlab::Chance;
use replica::Replica;
use step::{Elsewhere, bytes};
use support::sys::Mapping;
use support::{needs_root_and_fuse, until};

/// Long enough for a busy machine, short enough to call what lasts longer a deadlock.
const DEADLINE: Duration = Duration::from_secs(120);

/// Files that the peer changes.
const SHARED: [&str; 4] = ["one", "two", "three", "four"];

/// Changes that the peer makes.
const ROUNDS: u8 = 32;

/// What one program does until it is told to end.
type Work = Box<dyn FnOnce(&Path, &AtomicBool) + Send>;

/// The version that the peer makes of a file in a round: from its length the round can be told.
fn version(round: u8) -> Vec<u8> {
    bytes(round, 0, length(round))
}

fn length(round: u8) -> usize {
    1000 + usize::from(round) * 4099
}

/// Fails unless `content` is one of the versions, whole.
fn assert_whole(content: &[u8], what: &str) {
    let round = (content.len() - 1000) / 4099;
    let round = u8::try_from(round).unwrap_or_else(|_| panic!("{what}: {} bytes", content.len()));
    assert!(content == version(round), "{what}: a mixture, or cut: {} bytes", content.len());
}

/// Opens files anew all the time and reads them in pieces.
fn read_pieces(mount: &Path, ends: &AtomicBool) {
    let mut turn = 0;
    while !ends.load(SeqCst) {
        let name = SHARED[turn % SHARED.len()];
        let mut file = File::open(mount.join(name)).unwrap();
        let mut content = vec![0; 700];
        file.read_exact(&mut content).unwrap();
        std::thread::yield_now();
        file.read_to_end(&mut content).unwrap();
        assert_whole(&content, name);
        turn += 1;
    }
}

/// Keeps a file open and mapped: whatever comes, it shows what it showed.
fn hold(mount: &Path, ends: &AtomicBool) {
    let file = File::open(mount.join(SHARED[0])).unwrap();
    let first = fs::read(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file))).unwrap();
    assert_whole(&first, "what is held");
    let mapping = Mapping::new(&file, first.len(), false);
    while !ends.load(SeqCst) {
        assert!(mapping.read(0, first.len()) == first, "the mapping changed");
        let mut again = vec![0; first.len() + 1];
        let read = file.read_at(&mut again, 0).unwrap();
        assert!(again[..read] == first[..read] && read > 0, "the open file changed");
        assert_eq!(file.metadata().unwrap().len(), first.len() as u64);
    }
}

/// Writes files of its own: grows one, saves another by renaming over it, changes a third through a mapping.
fn write(mount: &Path, number: usize, ends: &AtomicBool) {
    let own = |name: &str| mount.join(format!("{name}{number}"));
    let mut log = File::create(own("log")).unwrap();
    fs::write(own("mapped"), vec![0; 8192]).unwrap();
    let mapped = File::options().read(true).write(true).open(own("mapped")).unwrap();
    let mapping = Mapping::new(&mapped, 8192, true);
    let mut turn = 0u32;
    while !ends.load(SeqCst) {
        writeln!(log, "turn {turn}").unwrap();
        let temporary = own("temporary");
        fs::write(&temporary, format!("save {turn}")).unwrap();
        fs::rename(&temporary, own("saved")).unwrap();
        mapping.write(turn as usize % 8000, &turn.to_le_bytes());
        if turn.is_multiple_of(16) {
            log.sync_all().unwrap();
        }
        assert_eq!(fs::read_to_string(own("saved")).unwrap(), format!("save {turn}"));
        turn += 1;
    }
    drop(log);
    let lines = fs::read_to_string(own("log")).unwrap();
    assert!(lines.lines().enumerate().all(|(n, line)| line == format!("turn {n}")));
    assert_eq!(lines.lines().count(), turn as usize);
}

/// Lists and looks at everything.
fn list(mount: &Path, ends: &AtomicBool) {
    while !ends.load(SeqCst) {
        let names: Vec<_> = fs::read_dir(mount).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        for name in SHARED {
            assert_eq!(names.iter().filter(|it| *it == name).count(), 1, "{name} in {names:?}");
        }
        for name in names {
            let _ = fs::metadata(mount.join(name));
        }
    }
}

#[test]
fn peers_change_files_under_load() {
    needs_root_and_fuse();
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().to_owned();
    let replica = Replica::new();
    let filesystem = replica.filesystem();
    let mounted = Mount::start(Arc::clone(&filesystem), &mount, &MountOptions::default()).unwrap();
    filesystem.tell(mounted.invalidator()).unwrap();
    let put = |name: &'static str, round: u8| {
        let (path, length) = (vec![name], length(round));
        replica.elsewhere(&Elsewhere::Put { path, length, seed: round });
    };
    SHARED.iter().for_each(|name| put(name, 0));
    until("the first versions", DEADLINE, || SHARED.iter().all(|name| mount.join(name).exists()));

    let ends = Arc::new(AtomicBool::new(false));
    let (done, finished) = mpsc::channel();
    let mut started = 0;
    let mut start = |work: Work| {
        let (mount, ends, done) = (mount.clone(), Arc::clone(&ends), done.clone());
        started += 1;
        std::thread::spawn(move || {
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mount, &ends)));
            done.send(worked.is_ok()).unwrap();
        });
    };
    (0..4).for_each(|_| start(Box::new(read_pieces)));
    (0..2).for_each(|_| start(Box::new(hold)));
    (0..2).for_each(|number| start(Box::new(move |mount, ends| write(mount, number, ends))));
    start(Box::new(list));
    for round in 1..=ROUNDS {
        put(SHARED[usize::from(round) % SHARED.len()], round);
    }
    let last = |name: &str| {
        (1..=ROUNDS).rev().find(|round| SHARED[usize::from(*round) % SHARED.len()] == name).unwrap()
    };
    for name in SHARED {
        until("the newest version", DEADLINE, || fs::read(mount.join(name)).unwrap() == version(last(name)));
    }
    ends.store(true, SeqCst);
    for _ in 0..started {
        assert!(finished.recv_timeout(DEADLINE).expect("nobody waits for ever"), "see above");
    }
    mounted.unmount().unwrap();
    filesystem.close().unwrap();
}

/// Writes of programs that each open the file anew, while others hold it open, and the folder is listed all the time:
/// all of them see one file, and nobody's write stands beside another's as if a peer had made it.
#[test]
fn a_file_is_one_file_to_all_who_open_it() {
    const PAGES: usize = 16;
    const TURNS: u32 = 300;
    needs_root_and_fuse();
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().to_owned();
    let replica = Replica::new();
    let filesystem = replica.filesystem();
    let mounted = Mount::start(Arc::clone(&filesystem), &mount, &MountOptions::default()).unwrap();
    filesystem.tell(mounted.invalidator()).unwrap();
    for name in SHARED {
        fs::write(mount.join(name), vec![0; 4096 * PAGES]).unwrap();
    }
    let ends = AtomicBool::new(false);
    let write = |writer: usize, keeps_open: bool| {
        for turn in 1..=TURNS {
            for name in SHARED {
                let open = || File::options().read(true).write(true).open(mount.join(name)).unwrap();
                let (file, other) = (open(), keeps_open.then(open));
                file.write_all_at(&turn.to_le_bytes(), (writer * 4096) as u64).unwrap();
                if turn.is_multiple_of(8) {
                    file.sync_data().unwrap();
                }
                let mut read = [0; 4];
                other.as_ref().unwrap_or(&file).read_exact_at(&mut read, (writer * 4096) as u64).unwrap();
                assert_eq!(u32::from_le_bytes(read), turn, "what {writer} wrote to {name}");
            }
        }
    };
    std::thread::scope(|scope| {
        let lister = scope.spawn(|| list(&mount, &ends));
        let write = &write;
        let writers: Vec<_> =
            (0..4).map(|writer| scope.spawn(move || write(writer, writer % 2 == 0))).collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join().is_ok()).collect();
        ends.store(true, SeqCst);
        assert!(written.into_iter().all(|written| written) && lister.join().is_ok(), "see above");
    });
    let names: Vec<_> = fs::read_dir(&mount).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), SHARED.len(), "{names:?}");
    for name in SHARED {
        let content = fs::read(mount.join(name)).unwrap();
        for writer in 0..4 {
            assert_eq!(content[writer * 4096..writer * 4096 + 4], TURNS.to_le_bytes(), "{name}");
        }
    }
    mounted.unmount().unwrap();
    filesystem.close().unwrap();
}

/// One thing that programs do with names and files, as `chance` has it.
fn act(mount: &Path, own: usize, chance: &mut Chance) -> std::io::Result<()> {
    let any = |chance: &mut Chance| mount.join(SHARED[chance.below(SHARED.len())]);
    let (one, other) = (any(chance), any(chance));
    let temporary = mount.join(format!("temporary{own}"));
    let bytes = vec![own as u8; 1 + chance.below(20_000)];
    match chance.below(9) {
        0 => fs::write(one, bytes),
        1 => File::options().create(true).append(true).open(one)?.write_all(&bytes),
        2 => File::options().write(true).open(one)?.write_all_at(&bytes, chance.below(50_000) as u64),
        3 => File::options().write(true).open(one)?.set_len(chance.below(60_000) as u64),
        4 => fs::write(&temporary, bytes).and_then(|()| fs::rename(temporary, one)),
        5 => fs::rename(one, other),
        6 => fs::remove_file(one),
        7 => fs::hard_link(one, other),
        _ => {
            let file = File::options().read(true).write(true).open(one)?;
            file.write_all_at(&bytes, 0)?;
            let mut read = Vec::new();
            (&file).read_to_end(&mut read)?;
            file.sync_all()
        }
    }
}

/// Whatever programs do to the same few names at once, on one device alone nothing stands beside anything, nothing
/// fails that POSIX lets pass, and what is there is there after a remount.
#[test]
fn programs_of_one_device_make_no_conflict() {
    const TURNS: usize = 400;
    needs_root_and_fuse();
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().to_owned();
    let replica = Replica::new();
    let started = |mount: &Path| {
        let filesystem = replica.filesystem();
        let mounted = Mount::start(Arc::clone(&filesystem), mount, &MountOptions::default()).unwrap();
        filesystem.tell(mounted.invalidator()).unwrap();
        (filesystem, mounted)
    };
    let (filesystem, mounted) = started(&mount);
    std::thread::scope(|scope| {
        let mount = &mount;
        let programs: Vec<_> = (0..5usize)
            .map(|own| {
                scope.spawn(move || {
                    let mut chance = Chance::new(own as u64);
                    for turn in 0..TURNS {
                        let done = act(mount, own, &mut chance);
                        let known = [ErrorKind::NotFound, ErrorKind::AlreadyExists];
                        let fine = done.as_ref().err().is_none_or(|error| known.contains(&error.kind()));
                        assert!(fine, "{own}, turn {turn}: {done:?}");
                    }
                })
            })
            .collect();
        let done: Vec<_> = programs.into_iter().map(|program| program.join().is_ok()).collect();
        assert!(done.into_iter().all(|done| done), "see above");
    });
    let seen = |mount: &Path| -> BTreeMap<_, _> {
        let entries = fs::read_dir(mount).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
    };
    let before = seen(&mount);
    assert!(before.keys().all(|name| SHARED.iter().any(|known| *known == name)), "{:?}", before.keys());
    mounted.unmount().unwrap();
    filesystem.close().unwrap();
    let (filesystem, mounted) = started(&mount);
    assert!(seen(&mount) == before, "not the same after a remount");
    mounted.unmount().unwrap();
    filesystem.close().unwrap();
}

/// The kernel keeps listings. One that was begun goes on where it was, though others have it made anew meanwhile and the
/// name where it stopped is gone: also where a listing fills its last page to the byte.
#[test]
fn a_listing_goes_on_whatever_others_list() {
    needs_root_and_fuse();
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::new();
    let filesystem = replica.filesystem();
    let mounted = Mount::start(Arc::clone(&filesystem), folder.path(), &MountOptions::default()).unwrap();
    filesystem.tell(mounted.invalidator()).unwrap();
    // The kernel keeps sixteen such names to a page, but for the first, where `.` and `..` take one's place: of these
    // numbers the second and the last, less those that go, fill the last page.
    for count in [330, 331, 332, 347] {
        let place = folder.path().join(count.to_string());
        let list = || -> Vec<_> { fs::read_dir(&place).unwrap().map(|it| it.unwrap().file_name()).collect() };
        for keeps_the_listing in [true, false] {
            fs::create_dir(&place).unwrap();
            (0..count).for_each(|at| drop(File::create(place.join(format!("{at:0230}"))).unwrap()));
            let before = list();
            assert_eq!(before.len(), count);
            // Who opens it first may have the kernel keep it.
            let first = fs::read_dir(&place).unwrap();
            let (mut goes_on, other) =
                if keeps_the_listing { (first, None) } else { (fs::read_dir(&place).unwrap(), Some(first)) };
            let mut seen: Vec<_> = goes_on.by_ref().take(10).map(|it| it.unwrap().file_name()).collect();
            drop(other);
            list();
            // Programs take 32 KiB at once, 127 of these names: where it stopped is among those that go.
            let (gone, stays): (Vec<_>, Vec<_>) =
                before.iter().enumerate().partition(|(at, _)| (100..160).contains(at));
            gone.iter().for_each(|(_, name)| fs::remove_file(place.join(name)).unwrap());
            assert_eq!(list().len(), stays.len());
            assert_eq!(list().len(), stays.len());
            seen.extend(goes_on.map(|it| it.unwrap().file_name()));
            for (_, name) in stays {
                assert_eq!(seen.iter().filter(|it| *it == name).count(), 1, "{count}: {name:?}");
            }
            assert_eq!(list().len(), count - gone.len());
            fs::remove_dir_all(&place).unwrap();
        }
    }
    mounted.unmount().unwrap();
    filesystem.close().unwrap();
}

/// However many list a directory while a peer's file comes, the listing that the kernel keeps has it.
#[test]
fn a_listing_shows_what_came_while_others_listed() {
    needs_root_and_fuse();
    // Where the kernel checks permissions it asks for the directory's attributes, and sees by its time that it has changed.
    for kernel_checks in [true, false] {
        shows_what_came_while_others_listed(kernel_checks);
    }
}

fn shows_what_came_while_others_listed(kernel_checks: bool) {
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::new();
    let filesystem = replica.filesystem();
    let options = MountOptions { kernel_checks, ..MountOptions::default() };
    let mounted = Mount::start(Arc::clone(&filesystem), folder.path(), &options).unwrap();
    filesystem.tell(mounted.invalidator()).unwrap();
    let count = || fs::read_dir(folder.path()).unwrap().count();
    for round in 1..=50 {
        let came = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let list = || {
                while !came.load(SeqCst) {
                    count();
                }
            };
            let listers = [scope.spawn(list), scope.spawn(list)];
            let name = Box::leak(format!("file {round}").into_boxed_str());
            replica.elsewhere(&Elsewhere::Put { path: vec![name], length: 10, seed: 1 });
            came.store(true, SeqCst);
            for lister in listers {
                lister.join().unwrap();
            }
        });
        // Nobody else has it open: this is answered from what the kernel keeps.
        until("the new name", DEADLINE, || count() == round);
    }
    mounted.unmount().unwrap();
    filesystem.close().unwrap();
}
