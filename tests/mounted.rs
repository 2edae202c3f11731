//! A vault mounted by this very process, without the owner and the commands around it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::sync::Arc;

use bosr::ambient::Ambient;
use bosr::crypto::{Argon2Cost, Keyring, Unlock, VaultFile, new_key_file};
use bosr::fs::{MountedVault, Ownership};
use bosr::store::Store;
use bosr::store::disk::OsDisk;
use bosr::vault::{Life, Vault};
use bosr_mount::{Mount, MountOptions};

struct Mounted {
    vault: Arc<Vault>,
    fs: Arc<MountedVault>,
    mount: Mount,
    threads: Vec<std::thread::JoinHandle<()>>,
}

fn start(vault: Arc<Vault>, at: &Path) -> Mounted {
    let fs = MountedVault::new(Arc::clone(&vault), Ownership::Keep).unwrap();
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
