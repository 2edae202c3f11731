//! Two devices that worked apart for a long time: what both had when they parted is where their difference begins.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "model/replica.rs"]
#[allow(dead_code)]
mod replica;
#[path = "model/step.rs"]
#[allow(dead_code)]
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;

use bosr::miror::limits;
use bosr::miror::replica::{Announcement, Replica as _};
use bosr::miror::vault_replica::VaultReplica;
use bosr::store::disk::fault::FaultDisk;
use bosr::vault::{Attr, Fold, Vault};
use replica::{Device, Replica};
use step::Elsewhere;

fn announce(device: &Device) -> (VaultReplica, Announcement) {
    let replica = VaultReplica::new(device.vault.clone(), Arc::new(FaultDisk::new()));
    let announcement = replica.announce().unwrap();
    (replica, announcement)
}

/// More commits than HELLO names.
fn work(vault: &Vault, folder: &str) {
    for number in 0..=limits::RECENT {
        let attr = Attr { mode: 0o644, uid: 0, gid: 0, mtime: 1, birth: 1, xattrs: BTreeMap::new() };
        vault.put_file(format!("/{folder}{number}").as_bytes(), &b"bytes"[..], attr).unwrap();
        vault.fold_and_commit(Fold::All).unwrap();
    }
}

#[test]
fn what_was_merged_last_is_the_base_after_long_work_on_both_sides() {
    let replica = Replica::new();
    for number in 0..200 {
        let path = vec![["a", "b", "c", "d"][number % 4]];
        replica.elsewhere(&Elsewhere::Put { path, length: 10, seed: number as u8 });
    }
    let (_, parted) = announce(&replica.peer);
    work(&replica.own.vault, "own");
    work(&replica.peer.vault, "peer");
    let (own, ours) = announce(&replica.own);
    let (_, theirs) = announce(&replica.peer);
    let named: Vec<_> = [theirs.tip.commit].into_iter().chain(theirs.recent.iter().copied()).collect();
    assert!(named.iter().all(|commit| !replica.own.vault.store().contains(commit).unwrap()));
    let meeting = own.meet(&replica.peer.vault.device(), &theirs.context, &named).unwrap();
    assert_eq!(meeting.common, Some(parted.tip.commit));
    let difference = own.difference(&parted.tip.commit, &ours.tip.commit, 1 << 20).unwrap().unwrap();
    assert!(!difference.is_empty());
    // A peer that came back with an older store has not got it.
    let older: Vec<_> =
        theirs.context.iter().map(|seen| bosr::miror::message::Seen { lamport: 1, ..*seen }).collect();
    assert_eq!(own.meet(&replica.peer.vault.device(), &older, &named).unwrap().common, None);
}
