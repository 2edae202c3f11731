//! Real trees: the sources of this project's own dependencies, with everything a tree can hold besides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{run, shell};

/// Fills `folder` with at least `files` files of real sources, symlinks, hard links, an executable, an empty
/// directory, a sparse file, names with spaces and in Chinese, and a file of `large` bytes that do not
/// compress.
pub(crate) fn fill(folder: &Path, files: usize, large: u64) {
    let mut copied = 0;
    for source in crates() {
        if copied >= files {
            break;
        }
        run(Command::new("cp").arg("-a").arg(&source).arg(folder));
        copied += count(&folder.join(source.file_name().unwrap()));
    }
    assert!(copied >= files, "the sources of this project's dependencies hold {copied} files, not {files}");
    shell(
        folder,
        "ln -s 'a name with spaces' link; ln -s /nowhere/at/all dangling
        echo spaces > 'a name with spaces'; echo 你好 > 文件名.txt
        echo shared > one; ln one two; mkdir empty; mkdir -p deep/er/and/deeper; ln one deep/er/three
        printf '#!/bin/sh\\necho ran\\n' > run.sh; chmod 755 run.sh; chmod 640 'a name with spaces'
        truncate -s 64M sparse; printf middle | dd of=sparse bs=1 seek=30000000 conv=notrunc status=none
        touch -d '2001-02-03 04:05:06.789012345' one",
    );
    shell(folder, &format!("head -c {large} /dev/urandom > large.bin"));
}

fn crates() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo"), PathBuf::from);
    let registries = fs::read_dir(home.join("registry/src")).expect("the sources of the dependencies");
    let mut all: Vec<_> = registries
        .flat_map(|registry| fs::read_dir(registry.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

fn count(folder: &Path) -> usize {
    shell(folder, "find . -type f | wc -l").trim().parse().unwrap()
}

/// How many files there are, and how many bytes they occupy, holes left out.
pub(crate) fn size(folder: &Path) -> (u64, u64) {
    let sizes = shell(folder, "find . -type f ! -name sparse -printf '%s\\n'");
    let sizes = sizes.lines().map(|line| line.parse::<u64>().unwrap());
    sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
}

/// Fails unless two trees are equal: names, contents, modes, times, targets, links.
pub(crate) fn assert_same(a: &Path, b: &Path) {
    compare(a, b, "%P %y %m %T@\\n");
}

/// As [`assert_same`], for one tree as two devices show it: the time at which names in a directory last changed is
/// each device's own.
pub(crate) fn assert_same_on_both(a: &Path, b: &Path) {
    compare(a, b, "%P %y %m\\n");
}

fn compare(a: &Path, b: &Path, of_directories: &str) {
    run(Command::new("diff").args(["-r", "--no-dereference"]).arg(a).arg(b));
    let script = format!(
        "find . -mindepth 1 -printf '%P %y %m %T@ %l %s\\n' | grep -v ' d ' | LC_ALL=C sort
        find . -mindepth 1 -type d -printf '{of_directories}' | LC_ALL=C sort"
    );
    let (left, right) = (shell(a, &script), shell(b, &script));
    for (left, right) in left.lines().zip(right.lines()) {
        assert_eq!(left, right);
    }
    assert_eq!(left.lines().count(), right.lines().count());
}
