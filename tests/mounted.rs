//! A vault mounted by this very process, without the owner and the commands around it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bosr::ambient::Ambient;
use bosr::crypto::{Argon2Cost, Keyring, Unlock, VaultFile, new_key_file};
use bosr::fs::{Checks, DirtyLimit, MountedVault, Ownership};
use bosr::store::disk::OsDisk;
use bosr::store::disk::fault::FaultDisk;
use bosr::store::{Options, Store};
use bosr::vault::{Life, Vault};
use bosr_mount::{Mount, MountOptions};

struct Mounted {
    vault: Arc<Vault>,
    fs: Arc<MountedVault>,
    mount: Mount,
    threads: Vec<std::thread::JoinHandle<()>>,
}

fn start(vault: Arc<Vault>, at: &Path) -> Mounted {
    let fs = MountedVault::new(Arc::clone(&vault), Ownership::Keep, Checks::Kernel, DirtyLimit::default())
        .unwrap();
    let mount = Mount::start(Arc::clone(&fs), at, &MountOptions::default()).unwrap();
    fs.tell(mount.invalidator()).unwrap();
    let (committer, flusher) = (Arc::clone(&vault), Arc::clone(&vault));
    let threads = vec![
        std::thread::spawn(move || committer.run_committer()),
        std::thread::spawn(move || flusher.run_flusher()),
    ];
    Mounted { vault, fs, mount, threads }
}

impl Mounted {
    fn stop(self) {
        self.mount.unmount().unwrap();
        self.fs.close().unwrap();
        self.vault.stop();
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.vault.commit().unwrap();
        self.vault.store().close().unwrap();
    }
}

/// What was written in one mount is there in the next.
#[test]
fn a_tree_survives_a_remount() {
    support::needs_root_and_fuse();
    let folder = tempfile::tempdir().unwrap();
    let (store, at) = (folder.path().join("store"), folder.path().join("mnt"));
    std::fs::create_dir(&store).unwrap();
    std::fs::create_dir(&at).unwrap();
    let ambient = Ambient::host();
    let disk = Arc::new(OsDisk::new(&store));
    let mut keyring = Keyring::generate(&*ambient.entropy);
    let key = Unlock::KeyFile(new_key_file(&*ambient.entropy));
    let file = VaultFile::create(&mut keyring, &key, Argon2Cost::default(), &*ambient.entropy).unwrap();
    let device = keyring.device().public();
    let keyring = Arc::new(keyring);
    let made = Store::create(disk.clone(), &file, Arc::clone(&keyring), ambient.clone()).unwrap();
    let vault = Vault::create(Arc::new(made), device, "desk", ambient.clone()).unwrap();
    let mounted = start(vault, &at);
    let copy = folder.path().join("copy");
    support::shell(
        &at,
        &format!(
            "echo hello > a; mkdir -p d/e; echo more > d/e/f; ln a d/a2; ln -s a l; mv a b; echo x >> b
            head -c 3000000 /dev/urandom > big; cp big big2; truncate -s 100M sparse; rm big2
            printf tmp > t; mv t b2; for n in $(seq 300); do echo $n > d/n$n; done; rm d/n7
            cat b d/e/f; cp -a . {}",
            copy.display()
        ),
    );
    support::tree::assert_same(&copy, &at);
    mounted.stop();
    let (store, recovery) = Store::open(disk, keyring, ambient.clone()).unwrap();
    let (vault, _) = Vault::open(Arc::new(store), recovery, Life::Same, ambient).unwrap();
    let mounted = start(vault, &at);
    support::tree::assert_same(&copy, &at);
    mounted.stop();
}

/// The disk of the store fills up: whoever writes is told at once, everything else goes on, and with room again so does writing.
#[test]
fn a_full_disk_stops_only_writers() {
    support::needs_root_and_fuse();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("mnt");
    std::fs::create_dir(&at).unwrap();
    let ambient = Ambient::host();
    let mut keyring = Keyring::generate(&*ambient.entropy);
    let key = Unlock::KeyFile(new_key_file(&*ambient.entropy));
    let file = VaultFile::create(&mut keyring, &key, Argon2Cost::default(), &*ambient.entropy).unwrap();
    let device = keyring.device().public();
    let options =
        || Options { segment_len: 4 << 20, journal_len: 4 << 20, reserve: 4 << 20, ..Options::default() };
    let disk = FaultDisk::new();
    let keyring = Arc::new(keyring);
    let made = Store::create_with(Arc::new(disk.clone()), &file, keyring.clone(), ambient.clone(), options());
    let vault = Vault::create(Arc::new(made.unwrap()), device, "desk", ambient.clone()).unwrap();
    disk.limit(Some(disk.used() + (64 << 20)));
    let mounted = start(vault, &at);
    // Bytes that do not shrink.
    let piece = |seed: u64| -> Vec<u8> {
        let mut state = seed * 2 + 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        };
        (0..1 << 20).map(|_| next()).collect()
    };
    let noise = piece(1000);
    std::fs::write(at.join("kept"), &noise).unwrap();
    std::fs::write(at.join("gone"), b"some").unwrap();
    let mut large = std::fs::File::create(at.join("large")).unwrap();
    let full = (0..200).find_map(|number| large.write_all(&piece(number)).err());
    assert_eq!(full.expect("64 MiB hold no 200").kind(), std::io::ErrorKind::StorageFull);
    // What is little may still find room for a while: in the journals, in what is kept for them, and in what was promised
    // to the large file while it was on its way to the disk, where it counted twice.
    let little = &noise[..4000];
    let full = (0..40_000).find_map(|number| std::fs::write(at.join(format!("small{number}")), little).err());
    assert_eq!(full.expect("no room for ever").kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read(at.join("kept")).unwrap(), noise);
    std::fs::rename(at.join("kept"), at.join("moved")).unwrap();
    std::fs::remove_file(at.join("gone")).unwrap();
    large.set_len(1 << 20).unwrap();
    large.sync_all().unwrap();
    disk.limit(None);
    std::fs::write(at.join("new"), b"room").unwrap();
    drop(large);
    mounted.stop();
    let (store, recovery) = Store::open_with(Arc::new(disk), keyring, ambient.clone(), options()).unwrap();
    let (vault, report) = Vault::open(Arc::new(store), recovery, Life::Same, ambient).unwrap();
    assert!(report.lost.is_empty(), "{report:?}");
    let mounted = start(vault, &at);
    let mut names: Vec<_> = std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| !name.to_string_lossy().starts_with("small"));
    names.sort();
    assert_eq!(names, ["large", "moved", "new"]);
    assert_eq!(std::fs::metadata(at.join("large")).unwrap().len(), 1 << 20);
    assert_eq!(std::fs::read(at.join("moved")).unwrap(), noise);
    assert_eq!(std::fs::read(at.join("new")).unwrap(), b"room");
    mounted.stop();
}
