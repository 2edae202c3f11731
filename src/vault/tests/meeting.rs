//! Two and three vaults that merge by objects carried between their stores.

use super::*;
use crate::crypto::{DevicePublic, ObjectId};

#[test]
fn a_joiner_takes_over_the_whole_state_by_fast_forward() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    put(&a, "/one", b"1");
    a.make_directory(b"/d", 0o755, 5).unwrap();
    put(&a, "/d/two", &noise(1, 3_000));
    assert!(pull(&b, &a).changed);
    assert_eq!(b.head(), a.head());
    assert_eq!(tree(&b), tree(&a));
    assert!(!pull(&b, &a).changed);
    assert_eq!(b.merged_from(&a.device()).unwrap(), Some(a.head().commit));
}

#[test]
fn both_edit_and_both_have_all_of_it() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    put(&a, "/doc.txt", b"base");
    pull(&b, &a);
    put(&a, "/doc.txt", b"from a");
    put(&b, "/doc.txt", b"from b");
    put(&a, "/only-a", b"a");
    put(&b, "/only-b", b"b");
    meet(&a, &b);
    let all = tree(&a);
    let contents: Vec<_> = all.values().flatten().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(contents.iter().any(|it| it == "from a") && contents.iter().any(|it| it == "from b"), "{all:?}");
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(a.conflicts().unwrap().len(), 1);
    assert!(a.load_commit(&a.head().commit).unwrap().author.is_none());
}

#[test]
fn three_replicas_agree_whatever_the_order() {
    let (a, b, c) = (Host::new(1).create("a"), Host::new(2).join(), Host::new(3).join());
    put(&a, "/f", b"base");
    pull(&b, &a);
    pull(&c, &a);
    put(&a, "/f", b"a");
    put(&b, "/f", b"b");
    rename(&c, "/f", "/g");
    put(&c, "/h", b"c");
    for (to, from) in [(&b, &a), (&c, &b), (&a, &c), (&b, &c), (&a, &b), (&c, &a)] {
        pull(to, from);
    }
    assert_eq!(tree(&a), tree(&b));
    assert_eq!(tree(&a), tree(&c));
    assert_eq!([a.head().root, b.head().root], [c.head().root; 2]);
}

#[test]
fn a_merge_is_durable_and_survives_reopening() {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    put(&a, "/f", &noise(7, 2_000));
    pull(&b, &a);
    put(&b, "/mine", b"mine");
    b.sync().unwrap();
    let before = tree(&b);
    drop(b);
    let b = host.on(host.disk.after_power_cut(crate::store::disk::fault::Loss::Drop, 1)).open();
    assert_eq!(tree(&b), before);
    check(&b);
}

#[test]
fn old_content_shows_until_the_new_is_whole() {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    let (old, new) = (noise(1, 300_000), noise(2, 400_000));
    put(&a, "/f", &old);
    pull(&b, &a);
    let node = put(&a, "/f", &new);
    put(&a, "/new", &noise(3, 5_000));
    pull_with(&b, &a, false);
    assert_eq!(get(&b, "/f"), old);
    assert_eq!(b.find(b"/new").unwrap().size(), 5_000);
    assert_eq!(b.waiting().files, 2);
    assert!(b.read(|tree| b.is_waiting(tree, &node)).unwrap());

    // It waits across a restart.
    b.commit().unwrap();
    drop(b);
    let b = host.open();
    assert_eq!(get(&b, "/f"), old);
    assert_eq!(b.waiting().files, 2);

    let wanted = missing(&b);
    for id in &wanted[..wanted.len() - 1] {
        carry(&a, &b, ObjectKind::Chunk, id);
        b.arrived(&[*id]).unwrap();
    }
    assert_eq!(b.waiting().files, 1);
    carry(&a, &b, ObjectKind::Chunk, &wanted[wanted.len() - 1]);
    b.arrived(&wanted[wanted.len() - 1..]).unwrap();
    assert_eq!(b.waiting(), WaitingNumbers::default());
    assert_eq!(get(&b, "/f"), new);
    assert_eq!(tree(&a), tree(&b));
    check(&b);
}

#[test]
fn a_write_over_waiting_content_makes_a_conflict_and_loses_nothing() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    put(&a, "/f", &noise(1, 2_000));
    pull(&b, &a);
    put(&a, "/f", &noise(2, 2_000));
    pull_with(&b, &a, false);
    put(&b, "/f", b"over the old");
    assert_eq!(get(&b, "/f"), b"over the old");
    assert_eq!(b.conflicts().unwrap().len(), 1);
    carry_commit(&a, &b, a.head().commit, true);
    b.arrived(&missing(&b)).unwrap();
    assert!(tree(&b).values().flatten().any(|bytes| *bytes == noise(2, 2_000)));
    meet(&a, &b);
}

#[test]
fn removing_a_waiting_file_ends_the_wait() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    put(&a, "/f", &noise(1, 2_000));
    pull_with(&b, &a, false);
    assert_eq!(b.waiting().files, 1);
    unlink(&b, "/f");
    assert_eq!(b.waiting(), WaitingNumbers::default());
    meet(&a, &b);
    assert!(tree(&a).is_empty());
}

type Asked = (Vec<ObjectId>, Box<dyn FnOnce(Result<()>) + Send>);

/// Answers only when told to.
#[derive(Default)]
struct Slow(Mutex<Vec<Asked>>);

impl Fetch for Slow {
    fn want(&self, ids: &[ObjectId], done: Box<dyn FnOnce(Result<()>) + Send>) {
        self.0.lock().push((ids.to_vec(), done));
    }
}

#[test]
fn a_read_of_absent_content_waits_for_it_and_not_for_ever() {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    let bytes = noise(1, 700_000);
    put(&a, "/f", &bytes);
    pull_with(&b, &a, false);
    let Some(Data::Content(content)) = b.find(b"/f").unwrap().data else { panic!() };
    assert!(matches!(b.read_content(&content, 0, 10), Err(VaultError::Missing(_))));

    let answers = Arc::new(Mutex::new(Vec::new()));
    let ask = |len: usize| {
        let answers = answers.clone();
        b.read_content_later(content.clone(), 0, len, Box::new(move |it| answers.lock().push(it)));
    };
    ask(10);
    assert!(matches!(answers.lock().pop(), Some(Err(VaultError::Unreachable))), "nobody to ask");

    let slow = Arc::new(Slow::default());
    b.set_fetch(Some(slow.clone()));
    ask(bytes.len());
    assert!(answers.lock().is_empty());
    while let Some((ids, done)) = { slow.0.lock().pop() } {
        for id in &ids {
            carry(&a, &b, ObjectKind::Chunk, id);
        }
        b.arrived(&ids).unwrap();
        done(Ok(()));
    }
    let answer = answers.lock().pop().unwrap().unwrap();
    assert!(answers.lock().is_empty());
    assert_eq!(answer, bytes);
}

#[test]
fn a_read_that_nobody_answers_fails_after_a_while() {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    put(&a, "/f", &noise(1, 2_000));
    pull_with(&b, &a, false);
    let Some(Data::Content(content)) = b.find(b"/f").unwrap().data else { panic!() };
    b.set_fetch(Some(Arc::new(Slow::default())));
    let answers = Arc::new(Mutex::new(Vec::new()));
    let sink = answers.clone();
    b.read_content_later(content, 0, 10, Box::new(move |it| sink.lock().push(it)));
    b.flush_if_due().unwrap();
    assert!(answers.lock().is_empty());
    *host.clock.0.lock() += READ_WAIT;
    b.flush_if_due().unwrap();
    assert!(matches!(answers.lock().pop(), Some(Err(VaultError::Unreachable))));
}

#[test]
fn states_that_break_the_rules_are_refused_and_change_nothing() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).create("b"));
    let before = b.offer().unwrap();
    let mut commit = a.load_commit(&a.head().commit).unwrap();
    carry_commit(&a, &b, a.head().commit, true);
    commit.context.set(ReplicaId([9; 8]), 1 << 41);
    let leaping = b.put_commit(&commit).unwrap();
    assert!(matches!(merge_commit(&b, None, leaping), Err(VaultError::Refused(_))));

    let mut lying = b.load_commit(&before.commit).unwrap();
    (lying.root, lying.count) = (a.head().root, a.head().count);
    let lying = b.put_commit(&lying).unwrap();
    assert!(matches!(merge_commit(&b, None, lying), Err(VaultError::Inconsistent(_))));

    let absent = CommitId(ObjectId([3; 32]));
    assert!(matches!(merge_commit(&b, None, absent), Err(VaultError::Missing(_))));
    assert_eq!(b.head(), before);
    check(&b);
}

#[test]
fn history_lists_commits_with_their_devices() {
    let (a, b) = (Host::new(1).create("anna"), Host::new(2).join());
    a.add_device("bert", b.device()).unwrap();
    put(&a, "/f", b"1");
    pull(&b, &a);
    put(&b, "/f", b"2");
    put(&b, "/g", b"x");
    b.commit().unwrap();
    let log = b.log(10).unwrap();
    let devices: Vec<_> = log.iter().map(|entry| entry.author.as_ref().unwrap().device.as_str()).collect();
    assert_eq!(devices, ["bert", "anna", "anna"]);
    assert_eq!(log[0].changed, Some(Changed { added: 1, changed: 1, pruned: 0 }));
    assert_eq!(b.trace(b"/f", 10).unwrap().len(), 2);
    assert_eq!(b.trace(b"/f", 1).unwrap().len(), 1);
    assert_eq!(b.devices().len(), 2);
    b.revoke_device(&a.device()).unwrap();
    assert!(b.device_record(&a.device()).unwrap().revoked);
}

/// A member that has seen a revocation writes the record without it: the state loses it, this replica does not.
#[test]
fn a_revocation_once_merged_holds_and_is_written_back() {
    let (a, b) = (Host::new(1).create("anna"), Host::new(2).join());
    let out = DevicePublic([7; 32]);
    a.add_device("out", out).unwrap();
    a.commit().unwrap();
    pull(&b, &a);
    a.revoke_device(&out).unwrap();
    a.commit().unwrap();
    pull(&b, &a);
    assert!(b.is_revoked(&out) && b.revoked() == [out]);
    let (id, mut record) = a.device_node(&out).unwrap();
    record.revoked = false;
    a.edit(Origin::VAULT, |tree, draw| tree.change_device(&id, &record, draw)).unwrap();
    a.commit().unwrap();
    pull(&b, &a);
    assert!(!b.device_record(&out).unwrap().revoked, "the state has lost it");
    assert!(b.is_revoked(&out) && b.members().iter().all(|device| device.public != out.0));
    assert!(b.restore_revocations().unwrap() && !b.restore_revocations().unwrap());
    assert!(b.device_record(&out).unwrap().revoked);
    check(&b);
}

#[test]
fn subscribers_hear_of_all_but_their_own() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<ChangeSet>>);
    impl Changes for Heard {
        fn changed(&self, changes: &ChangeSet) {
            self.0.lock().push(changes.clone());
        }
    }
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    let heard = Arc::new(Heard::default());
    let origin = b.subscribe(heard.clone());
    put(&a, "/f", b"1");
    pull(&b, &a);
    let merged = heard.0.lock().pop().unwrap();
    assert!(merged.names.contains(&(NodeId::ROOT, name("f"))) && merged.nodes.contains(&dir(&b, "/f")));
    let new = NewNode { attr: attr(), data: None };
    b.edit(origin, |tree, draw| tree.create(&NodeId::ROOT, &name("own"), new, draw)).unwrap();
    assert!(heard.0.lock().is_empty());
    put(&b, "/other", b"2");
    assert_eq!(heard.0.lock().len(), 1);
    b.unsubscribe(origin);
    put(&b, "/third", b"3");
    assert_eq!(heard.0.lock().len(), 1);
}
