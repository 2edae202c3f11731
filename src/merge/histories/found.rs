//! Histories that a soak found, as it shrunk them: each broke a promise once.

use super::Act::{
    Crash, Create, Deliver, Exchange, Link, Meet, Mkdir, Prune, Pull, Rename, Restore, Save, Symlink,
    TombstoneMove, TombstoneRestore, Unlink, Write,
};
use super::{Act, History, Step};

fn keeps_every_promise(replicas: usize, base: usize, unique: bool, steps: &[(usize, Act, [u8; 3])]) {
    let steps =
        steps.iter().map(|(who, act, picks)| Step { who: *who, act: *act, picks: picks.map(Into::into) });
    let history = History { replicas, base, unique, steps: steps.collect() };
    history.run().unwrap_or_else(|why| panic!("{why}"));
}

/// The kernel was not told that a directory that a cycle had moved to the top had another name there.
#[test]
fn what_a_cycle_displaced_is_renamed() {
    keeps_every_promise(
        4,
        0,
        false,
        &[
            (0, Mkdir, [0, 14, 0]),
            (0, Mkdir, [0, 25, 0]),
            (3, Pull, [0, 0, 0]),
            (0, Mkdir, [0, 14, 0]),
            (0, Rename, [4, 5, 33]),
            (1, Deliver, [0, 0, 0]),
            (1, Create, [0, 0, 0]),
            (3, Pull, [0, 0, 0]),
            (3, Rename, [2, 27, 33]),
            (1, Rename, [2, 6, 1]),
        ],
    );
}

/// A version lost beside two names of one file is exchanged with itself: nothing happens.
#[test]
fn two_tombstones_of_one_version_are_exchanged() {
    keeps_every_promise(
        2,
        0,
        true,
        &[
            (0, Create, [0, 25, 0]),
            (1, Mkdir, [0, 0, 0]),
            (0, Pull, [0, 0, 0]),
            (1, Pull, [0, 0, 0]),
            (1, Save, [0, 0, 0]),
            (0, Write, [0, 0, 0]),
            (0, Link, [0, 16, 0]),
            (1, Link, [0, 63, 0]),
            (1, Pull, [0, 0, 0]),
            (1, Exchange, [24, 4, 0]),
        ],
    );
    keeps_every_promise(
        2,
        0,
        true,
        &[
            (0, Mkdir, [0, 7, 0]),
            (0, Mkdir, [0, 2, 0]),
            (0, Create, [0, 57, 0]),
            (1, Meet, [0, 0, 0]),
            (1, Save, [0, 0, 0]),
            (0, Save, [0, 0, 0]),
            (1, Link, [0, 0, 0]),
            (0, Pull, [0, 0, 0]),
            (0, Exchange, [2, 44, 0]),
        ],
    );
}

/// A losing version is made a file of its own and deleted, while somebody renames the file that lost it: the version is
/// gone, the file is not.
#[test]
fn a_lost_version_is_taken_away_while_its_file_is_renamed() {
    keeps_every_promise(
        2,
        1,
        true,
        &[
            (0, Create, [0, 0, 0]),
            (1, Create, [0, 4, 0]),
            (1, Write, [0, 0, 0]),
            (0, Create, [0, 1, 1]),
            (0, Rename, [2, 0, 0]),
            (1, Pull, [0, 0, 0]),
            (1, Rename, [0, 28, 0]),
            (1, TombstoneMove, [0, 26, 1]),
            (1, Unlink, [2, 0, 0]),
            (0, Rename, [0, 19, 1]),
        ],
    );
}

/// Two devices are restored from older copies, one after the other, and neither is told: nobody is left who knows that
/// a stamp was used before, and what it stands for now is what it stands for.
#[test]
fn nobody_is_left_who_knew_of_a_lost_life() {
    keeps_every_promise(
        2,
        0,
        false,
        &[
            (1, Mkdir, [0, 0, 0]),
            (1, Meet, [0, 0, 0]),
            (1, Restore, [0, 0, 0]),
            (0, Crash, [0, 0, 0]),
            (1, Mkdir, [0, 0, 0]),
            (0, Restore, [0, 0, 0]),
        ],
    );
}

/// A file that everybody knows to be gone is pruned; a device restored from before takes one of its two names away. That
/// brings nothing back.
#[test]
fn a_name_is_taken_from_what_was_pruned() {
    keeps_every_promise(
        2,
        0,
        true,
        &[
            (1, Pull, [0, 0, 0]),
            (0, Symlink, [0, 0, 0]),
            (0, Meet, [0, 0, 0]),
            (1, Create, [0, 2, 0]),
            (1, Link, [0, 31, 0]),
            (1, Pull, [0, 0, 0]),
            (0, Unlink, [0, 0, 0]),
            (1, Rename, [8, 2, 57]),
            (0, Pull, [0, 0, 0]),
            (1, Restore, [34, 29, 0]),
            (0, Unlink, [0, 0, 0]),
            (1, Pull, [0, 0, 0]),
            (0, Pull, [0, 0, 0]),
            (0, Prune, [0, 0, 0]),
            (1, Restore, [50, 0, 0]),
            (1, Unlink, [0, 0, 0]),
        ],
    );
}

/// Two files of one name have the same content beside it, and one of them holds the name: when it goes, the content is
/// not shown twice.
#[test]
fn the_holder_of_a_name_goes_and_leaves_a_content_that_another_shows() {
    keeps_every_promise(
        4,
        0,
        true,
        &[
            (3, Create, [0, 1, 0]),
            (2, Pull, [0, 0, 0]),
            (1, Create, [0, 28, 1]),
            (1, Link, [0, 20, 0]),
            (2, Rename, [0, 0, 1]),
            (2, Rename, [0, 2, 1]),
            (0, Pull, [25, 0, 0]),
            (3, Save, [0, 0, 0]),
            (0, Pull, [62, 0, 0]),
            (0, Pull, [0, 0, 0]),
            (2, Save, [0, 0, 0]),
            (2, Rename, [0, 49, 9]),
            (0, TombstoneRestore, [0, 0, 0]),
            (2, Pull, [28, 0, 0]),
            (2, Unlink, [0, 0, 0]),
        ],
    );
}
