//! Local operations while commits and merges are made.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::vault::Fold;

#[test]
fn operations_during_commits_and_merges_are_not_lost() {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    put(&a, "/shared", b"0");
    pull(&b, &a);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let b = &b;
                scope.spawn(move || {
                    for n in 0..60 {
                        let path = format!("/b{writer}-{n}");
                        while matches!(
                            b.put_file(path.as_bytes(), &noise(n, 700)[..], attr()),
                            Err(VaultError::Busy)
                        ) {
                            b.commit().unwrap();
                        }
                        if n % 3 == 0 {
                            rename(b, &path, &format!("{path}-moved"));
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                b.commit().unwrap();
            }
        });
        scope.spawn(|| {
            let mut n = 0;
            while !done.load(Ordering::SeqCst) {
                put(&a, &format!("/a{n}"), b"a");
                put(&a, "/shared", format!("a{n}").as_bytes());
                n += 1;
                a.commit().unwrap();
                let offered = a.offer().unwrap();
                carry_commit(&a, &b, offered.commit, true);
                merge_commit(&b, Some(a.device()), offered.commit).unwrap();
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    check(&b);
    let all = tree(&b);
    for writer in 0..3 {
        for n in 0..60 {
            let moved = if n % 3 == 0 { "-moved" } else { "" };
            assert!(all.contains_key(&format!("/b{writer}-{n}{moved}")));
        }
    }
    b.sync().unwrap();
    drop(b);
    let again = host.on(host.disk.after_power_cut(crate::store::disk::fault::Loss::Drop, 3)).open();
    assert_eq!(tree(&again), all);
    meet(&a, &again);
}

#[test]
fn a_large_merge_is_staged_and_takes_in_what_is_done_meanwhile() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    a.make_directory(b"/d", 0o755, 1).unwrap();
    for n in 0..1_200 {
        if n % 100 == 0 {
            a.commit().unwrap();
        }
        put(&a, &format!("/d/{n}"), b"x");
    }
    put(&b, "/mine", b"b");
    let merged = std::thread::scope(|scope| {
        let merge = scope.spawn(|| pull(&b, &a));
        let mut n = 0;
        while !merge.is_finished() && n < 200 {
            put(&b, &format!("/b{n}"), b"y");
            n += 1;
        }
        merge.join().unwrap();
        n
    });
    check(&b);
    assert_eq!(tree(&b).len(), 1 + 1_200 + 1 + merged);
    meet(&a, &b);
}

#[test]
fn the_committer_and_the_flusher_do_their_work_and_stop() {
    let host = Host::new(1);
    let vault = host.create("a");
    // Real time for the threads: they sleep on it.
    std::thread::scope(|scope| {
        let committer = scope.spawn(|| vault.run_committer());
        let flusher = scope.spawn(|| vault.run_flusher());
        put(&vault, "/f", b"1");
        vault.stop();
        committer.join().unwrap();
        flusher.join().unwrap();
    });
}

#[test]
fn what_is_due_is_done_by_the_clock() {
    let host = Host::new(1);
    let vault = host.create("a");
    let before = vault.head();
    put(&vault, "/f", b"1");
    vault.commit_if_due().unwrap();
    assert_eq!(vault.head(), before);
    vault.set_followed(true);
    *host.clock.0.lock() += std::time::Duration::from_millis(20);
    vault.commit_if_due().unwrap();
    assert_ne!(vault.head(), before);
    put(&vault, "/g", b"1");
    *host.clock.0.lock() += std::time::Duration::from_secs(1);
    vault.flush_if_due().unwrap();
    let again = host.on(host.disk.after_power_cut(crate::store::disk::fault::Loss::Drop, 0)).open();
    assert_eq!(tree(&again).len(), 2);
}

#[test]
fn peers_wait_for_a_file_that_is_being_made_until_it_is_closed() {
    struct Writing(AtomicBool);
    impl FoldSource for Writing {
        fn fold(&self, _: Fold) -> Result<()> {
            Ok(())
        }

        fn unfinished(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }
    let host = Host::new(1);
    let vault = host.create("a");
    let writing = Arc::new(Writing(AtomicBool::new(true)));
    vault.set_fold_source(Some(writing.clone()));
    vault.set_followed(true);
    let commits_soon = || {
        let before = vault.head();
        *host.clock.0.lock() += std::time::Duration::from_millis(20);
        vault.commit_if_due().unwrap();
        vault.head() != before
    };
    put(&vault, "/f", b"1");
    assert!(commits_soon());
    put(&vault, "/f", b"2");
    assert!(!commits_soon(), "it is still being written");
    vault.file_is_folded();
    assert!(!commits_soon(), "another was closed");
    writing.0.store(false, Ordering::SeqCst);
    vault.file_is_folded();
    assert!(commits_soon());
    vault.set_fold_source(None);
}

#[test]
fn dirty_data_is_folded_before_a_commit() {
    struct Folder(Mutex<Option<(DirtyRun, Content)>>, Arc<Vault>);
    impl FoldSource for Folder {
        fn fold(&self, _: Fold) -> Result<()> {
            let ready = self.0.lock().take();
            if let Some((run, content)) = ready {
                self.1.fold(Origin::VAULT, &run, content, 5, |_| {})?;
            }
            Ok(())
        }
    }
    let host = Host::new(1);
    let vault = host.create("a");
    let node = put(&vault, "/f", b"0");
    let shown = vault.read(|tree| vault.content_shown(tree, &node)).unwrap().unwrap();
    let run = vault.begin_run(node, shown);
    vault.log_extent(&run, 0, b"1", 5).unwrap();
    let folder = Folder(Mutex::new(Some((run.clone(), Content::Inline(b"1".to_vec())))), vault.clone());
    vault.set_fold_source(Some(Arc::new(folder)));
    *host.clock.0.lock() += std::time::Duration::from_secs(2);
    vault.commit_if_due().unwrap();
    assert!(run.has_ended());
    assert_eq!(vault.head().context, vault.read(|tree| tree.context().clone()));
    assert_eq!(get(&vault, "/f"), b"1");
    vault.set_fold_source(None);
}

#[test]
fn a_chunk_that_comes_while_its_file_is_looked_at_is_not_waited_for() {
    let (a, b) = (Host::new(1).create("a"), Host::new(2).join());
    put(&a, "/large", &noise(1, 3_000_000));
    pull_with(&b, &a, false);
    let waiting = missing(&b);
    assert!(waiting.len() > 5, "{} chunks are no race", waiting.len());
    let node = dir(&b, "/large");
    let changes = [(node, b.read(|tree| tree.node(&node)).unwrap())];
    for id in waiting {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    b.waits_began(u64::MAX, &changes).unwrap();
                }
            });
            carry(&a, &b, ObjectKind::Chunk, &id);
            b.arrived(&[id]).unwrap();
            done.store(true, Ordering::SeqCst);
        });
        assert!(!missing(&b).contains(&id));
    }
    assert_eq!(b.waiting().files, 0);
    assert_eq!(get(&b, "/large"), get(&a, "/large"));
}
