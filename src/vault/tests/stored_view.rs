//! The view's index in the database: the vault shows the same tree whatever the database has of it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::store::disk::fault::Loss;

const INDEX: &str = "index.redb";

fn is_stored(vault: &Vault) -> bool {
    vault.stored_view.lock().is_some()
}

/// A vault with directories, files, and some that changed since the view was stored.
fn populated(host: &Host) -> Arc<Vault> {
    let vault = host.create("a");
    for dir in 0..4 {
        vault.make_directory(format!("/d{dir}").as_bytes(), 0o755, 1).unwrap();
        for n in 0..30 {
            put(&vault, &format!("/d{dir}/f{n}"), format!("{dir}-{n}").as_bytes());
        }
    }
    vault.commit().unwrap();
    vault.store_view(0).unwrap();
    change(&vault);
    vault
}

fn change(vault: &Vault) {
    rename(vault, "/d0/f0", "/d1/g");
    rename(vault, "/d2", "/d1/moved");
    unlink(vault, "/d3/f7");
    put(vault, "/d3/new", b"new");
}

#[test]
fn a_vault_opens_with_its_stored_view_and_what_came_after() {
    let host = Host::new(1);
    let vault = populated(&host);
    check(&vault);
    let all = tree(&vault);
    vault.commit().unwrap();
    unlink(&vault, "/d3/f8");
    vault.sync().unwrap();
    vault.store().checkpoint_index().unwrap();
    drop(vault);
    let vault = host.open();
    assert!(is_stored(&vault));
    check(&vault);
    assert_eq!(tree(&vault).len(), all.len() - 1);
    vault.close().unwrap();
    drop(vault);
    let vault = host.open();
    assert_eq!(vault.read(|tree| tree.view.rows_changed()), 0);
    check(&vault);
    assert_eq!(tree(&vault).len(), all.len() - 1);
}

#[test]
fn an_index_that_is_lost_or_damaged_is_worked_out_anew() {
    let host = Host::new(1);
    let vault = populated(&host);
    let all = tree(&vault);
    vault.close().unwrap();
    drop(vault);
    let whole = host.disk.bytes(INDEX).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let damaged = host.on(host.disk.after_power_cut(Loss::Keep, 1));
        damaged.disk.tamper(INDEX, |bytes| bytes[at..].iter_mut().take(4096).for_each(|byte| *byte ^= 0x55));
        let vault = damaged.open();
        assert_eq!(tree(&vault), all, "damaged at {at}");
        check(&vault);
        change_and_back(&vault);
        vault.store_view(0).unwrap_or_else(|error| panic!("damaged at {at}: {error}"));
        check(&vault);
        vault.close().unwrap();
        drop(vault);
        assert_eq!(tree(&damaged.open()), all);
    }
    host.disk.tamper(INDEX, Vec::clear);
    let vault = host.open();
    assert!(!is_stored(&vault));
    assert_eq!(tree(&vault), all);
}

fn change_and_back(vault: &Vault) {
    rename(vault, "/d3/new", "/d3/newer");
    vault.commit().unwrap();
    rename(vault, "/d3/newer", "/d3/new");
    vault.commit().unwrap();
}

#[test]
fn the_view_is_stored_beside_operations_and_merges() {
    let (a, host) = (Host::new(1).create("a"), Host::new(2));
    let b = host.join();
    put(&a, "/shared", b"0");
    pull(&b, &a);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                b.store_view(0).unwrap();
            }
        });
        for n in 0..40 {
            b.make_directory(format!("/d{n}").as_bytes(), 0o755, 1).unwrap();
            put(&b, &format!("/d{n}/f"), b"b");
            put(&a, &format!("/a{n}"), b"a");
            put(&a, "/shared", format!("a{n}").as_bytes());
            if n % 2 == 0 {
                put(&b, "/shared", format!("b{n}").as_bytes());
                rename(&b, &format!("/d{n}"), &format!("/e{n}"));
            }
            pull(&b, &a);
        }
        done.store(true, Ordering::SeqCst);
    });
    check(&b);
    let all = tree(&b);
    b.close().unwrap();
    drop(b);
    let again = host.open();
    check(&again);
    assert_eq!(tree(&again), all);
    meet(&a, &again);
}
