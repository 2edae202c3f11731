//! Deciding conflicts by command.

use super::*;
use crate::vault::{Conflicts, Keep, ResolveError};

/// Two hosts that met after both wrote some files.
fn met(files: &[&str]) -> (Arc<Vault>, Arc<Vault>) {
    let (a, b) = (Host::new(1).create("anna"), Host::new(2).join());
    a.add_device("bert", b.device()).unwrap();
    a.make_directory(b"/d", 0o755, 1).unwrap();
    for file in files {
        put(&a, file, b"base");
    }
    pull(&b, &a);
    for (vault, who) in [(&a, "anna"), (&b, "bert")] {
        for file in files {
            put(vault, file, format!("{who}: {file}").as_bytes());
        }
    }
    meet(&a, &b);
    assert_eq!(a.conflicts().unwrap().len(), files.len());
    (a, b)
}

fn at(path: &str) -> Conflicts {
    Conflicts::At(vec![path.as_bytes().to_vec()])
}

/// Every file with its text.
fn texts(vault: &Arc<Vault>) -> BTreeMap<String, String> {
    let files = tree(vault).into_iter().filter_map(|(path, bytes)| Some((path, bytes?)));
    files.map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
}

#[test]
fn each_choice_does_what_it_says_on_every_device() {
    let (a, _b) = met(&["/d/f.txt"]);
    let conflict = a.conflicts().unwrap().remove(0);
    let winner = texts(&a)["/d/f.txt"].clone();
    let loser = if winner.starts_with("anna") { "bert" } else { "anna" };
    assert_eq!(conflict.device, loser);
    let tombstone = format!("/d/{}", conflict.tombstone.name);
    for (keep, named) in [
        (Keep::Current, "/d/f.txt"),
        (Keep::Tombstone, tombstone.as_str()),
        (Keep::Both, "/d"),
        (Keep::Both, "/"),
    ] {
        // The same histories make the same conflict.
        let (a2, b2) = met(&["/d/f.txt"]);
        let decided = a2.resolve(&at(named), keep).unwrap();
        assert_eq!(decided.len(), 1);
        let expected = match keep {
            Keep::Current => vec![("/d/f.txt".to_owned(), winner.clone())],
            Keep::Tombstone => vec![("/d/f.txt".to_owned(), format!("{loser}: /d/f.txt"))],
            Keep::Both => vec![
                (format!("/d/f-{loser}.txt"), format!("{loser}: /d/f.txt")),
                ("/d/f.txt".to_owned(), winner.clone()),
            ],
        };
        assert_eq!(texts(&a2), expected.into_iter().collect(), "{keep:?} {named}");
        meet(&a2, &b2);
        assert_eq!(b2.conflicts().unwrap(), []);
    }
}

#[test]
fn all_at_once_and_below_a_directory() {
    let (a, _b) = met(&["/d/f", "/d/g", "/top"]);
    assert_eq!(a.resolve(&at("/d"), Keep::Current).unwrap().len(), 2);
    assert_eq!(a.conflicts().unwrap().len(), 1);
    assert_eq!(a.resolve(&Conflicts::All, Keep::Both).unwrap().len(), 1);
    assert_eq!(a.conflicts().unwrap(), []);
    assert_eq!(a.resolve(&Conflicts::All, Keep::Both).unwrap(), []);
    check(&a);
}

#[test]
fn a_request_that_cannot_be_carried_out_whole_changes_nothing() {
    let (a, b) = met(&["/d/f", "/top"]);
    let missing = Conflicts::At(vec![b"/top".to_vec(), b"/none".to_vec()]);
    assert!(
        matches!(a.resolve(&missing, Keep::Current), Err(ResolveError::Path(path, _)) if path == b"/none")
    );
    put(&a, "/calm", b"x");
    let calm = Conflicts::At(vec![b"/top".to_vec(), b"/calm".to_vec()]);
    assert!(
        matches!(a.resolve(&calm, Keep::Current), Err(ResolveError::NoConflict(path)) if path == b"/calm")
    );

    // A third version beside one file: which is to have the name must be said.
    let c = Host::new(3).join();
    pull(&c, &b);
    put(&c, "/top", b"carl");
    put(&a, "/top", b"anna again");
    pull(&a, &c);
    let beside = a.conflicts().unwrap();
    let top: Vec<_> = beside.iter().filter(|it| it.path() == [name("top")]).collect();
    assert_eq!(top.len(), 2, "{beside:?}");
    let several = a.resolve(&at("/top"), Keep::Tombstone);
    assert!(matches!(several, Err(ResolveError::Several(_, 2))), "{several:?}");
    assert_eq!(a.conflicts().unwrap(), beside);
    let one = format!("/{}", top[0].tombstone.name);
    let text = texts(&a)[&one].clone();
    a.resolve(&at(&one), Keep::Tombstone).unwrap();
    assert_eq!(texts(&a)["/top"], text);
    assert_eq!(a.conflicts().unwrap().len(), 2);
}

#[test]
fn no_file_becomes_the_content_of_a_directory() {
    let (a, b) = (Host::new(1).create("anna"), Host::new(2).join());
    a.add_device("bert", b.device()).unwrap();
    pull(&b, &a);
    a.make_directory(b"/n", 0o755, 1).unwrap();
    put(&b, "/n", b"a file");
    meet(&a, &b);
    assert!(matches!(a.resolve(&at("/n"), Keep::Tombstone), Err(ResolveError::Directory(_))));
    let decided = a.resolve(&at("/n"), Keep::Both).unwrap();
    assert_eq!(decided[0].kept, Some(vec![name("n-bert")]));
    assert_eq!(texts(&a)["/n-bert"], "a file");
}
