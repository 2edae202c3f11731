//! Steps of a random life of a vault, and how they are drawn. What a step means is said by `posix::Model`.

use proptest::prelude::*;

/// How many files may be open at a time.
pub(crate) const SLOTS: usize = 4;

/// All names that there are: few, so that they collide.
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];

/// A path of one or two names, below the root.
pub(crate) type Path = Vec<&'static str>;

/// What a rename does with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Replace,
    NoReplace,
    Exchange,
}

/// What fallocate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Reserve,
    ReserveWithin,
    Punch,
    Zero,
}

/// What a peer does, knowing all that was done here before.
#[derive(Debug, Clone)]
pub(crate) enum Elsewhere {
    Put { path: Path, length: usize, seed: u8 },
    Remove { path: Path },
    Rename { from: Path, to: Path },
    Directory { path: Path },
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create {
        slot: usize,
        path: Path,
        exclusive: bool,
    },
    Open {
        slot: usize,
        path: Path,
        truncate: bool,
    },
    Close {
        slot: usize,
    },
    Read {
        slot: usize,
        at: u64,
        length: usize,
    },
    Write {
        slot: usize,
        at: u64,
        length: usize,
        seed: u8,
    },
    /// Through a shared mapping, inside the file; where there is no kernel, a write.
    Map {
        slot: usize,
        at: u64,
        length: usize,
        seed: u8,
    },
    Resize {
        slot: usize,
        size: u64,
    },
    Cut {
        path: Path,
        size: u64,
    },
    Allocate {
        slot: usize,
        at: u64,
        length: u64,
        space: Space,
    },
    Copy {
        from: usize,
        to: usize,
        from_at: u64,
        to_at: u64,
        length: u64,
    },
    Seek {
        slot: usize,
        at: u64,
        hole: bool,
    },
    Sync {
        slot: usize,
    },
    Directory {
        path: Path,
    },
    Symlink {
        path: Path,
        target: Path,
    },
    Remove {
        path: Path,
    },
    RemoveDirectory {
        path: Path,
    },
    Rename {
        from: Path,
        to: Path,
        how: How,
    },
    Link {
        from: Path,
        to: Path,
    },
    Mode {
        path: Path,
        mode: u32,
    },
    Time {
        path: Path,
        seconds: i64,
    },
    SetXattr {
        path: Path,
        name: u8,
        length: usize,
    },
    RemoveXattr {
        path: Path,
        name: u8,
    },
    /// What was written becomes versions, and those a commit.
    Commit,
    /// The mount ends and is made again.
    Remount,
    Peer(Elsewhere),
}

/// Bytes that tell where they belong: they differ by place and by who wrote them, and do not shrink.
pub(crate) fn bytes(seed: u8, at: u64, length: usize) -> Vec<u8> {
    let byte = |n: u64| {
        let mixed = (n ^ u64::from(seed) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 29) as u8 ^ (mixed >> 51) as u8
    };
    (at..at + length as u64).map(byte).collect()
}

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&NAMES[..])
}

fn path() -> BoxedStrategy<Path> {
    prop_oneof![3 => name().prop_map(|name| vec![name]), 2 => (name(), name()).prop_map(|(dir, name)| vec![dir, name])].boxed()
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS
}

/// Places in a file: mostly near its beginning, some beyond what one chunk holds.
fn place() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..5_000u64, 3 => 0..300_000u64, 1 => 0..2_000_000u64]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![5 => 1..3_000usize, 2 => 1..70_000usize, 1 => 200_000..500_000usize]
}

fn opening() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => (slot(), path(), any::<bool>()).prop_map(|(slot, path, exclusive)| Step::Create { slot, path, exclusive }),
        3 => (slot(), path(), proptest::bool::weighted(0.2)).prop_map(|(slot, path, truncate)| Step::Open { slot, path, truncate }),
        2 => slot().prop_map(|slot| Step::Close { slot }),
    ]
    .boxed()
}

fn content() -> BoxedStrategy<Step> {
    let space =
        prop_oneof![Just(Space::Reserve), Just(Space::ReserveWithin), Just(Space::Punch), Just(Space::Zero)];
    prop_oneof![
        4 => (slot(), place(), length()).prop_map(|(slot, at, length)| Step::Read { slot, at, length }),
        8 => (slot(), place(), length(), any::<u8>()).prop_map(|(slot, at, length, seed)| Step::Write { slot, at, length, seed }),
        3 => (slot(), place(), length(), any::<u8>()).prop_map(|(slot, at, length, seed)| Step::Map { slot, at, length, seed }),
        3 => (slot(), place()).prop_map(|(slot, size)| Step::Resize { slot, size }),
        1 => (path(), place()).prop_map(|(path, size)| Step::Cut { path, size }),
        2 => (slot(), place(), length(), space).prop_map(|(slot, at, length, space)| Step::Allocate { slot, at, length: length as u64, space }),
        2 => (slot(), slot(), place(), place(), length()).prop_map(|(from, to, from_at, to_at, length)| Step::Copy { from, to, from_at, to_at, length: length as u64 }),
        1 => (slot(), place(), any::<bool>()).prop_map(|(slot, at, hole)| Step::Seek { slot, at, hole }),
        1 => slot().prop_map(|slot| Step::Sync { slot }),
    ]
    .boxed()
}

fn naming() -> BoxedStrategy<Step> {
    let how = prop_oneof![4 => Just(How::Replace), 1 => Just(How::NoReplace), 1 => Just(How::Exchange)];
    prop_oneof![
        3 => path().prop_map(|path| Step::Directory { path }),
        1 => (path(), path()).prop_map(|(path, target)| Step::Symlink { path, target }),
        2 => path().prop_map(|path| Step::Remove { path }),
        1 => path().prop_map(|path| Step::RemoveDirectory { path }),
        4 => (path(), path(), how).prop_map(|(from, to, how)| Step::Rename { from, to, how }),
        2 => (path(), path()).prop_map(|(from, to)| Step::Link { from, to }),
    ]
    .boxed()
}

fn attributes() -> BoxedStrategy<Step> {
    let modes = prop_oneof![Just(0o600u32), Just(0o755), Just(0o4711), Just(0o2775)];
    prop_oneof![
        (path(), modes).prop_map(|(path, mode)| Step::Mode { path, mode }),
        (path(), -1_000_000..4_000_000_000i64).prop_map(|(path, seconds)| Step::Time { path, seconds }),
        (path(), 0..3u8, 0..300usize).prop_map(|(path, name, length)| Step::SetXattr { path, name, length }),
        (path(), 0..3u8).prop_map(|(path, name)| Step::RemoveXattr { path, name }),
    ]
    .boxed()
}

fn elsewhere() -> BoxedStrategy<Elsewhere> {
    prop_oneof![
        3 => (path(), length(), any::<u8>()).prop_map(|(path, length, seed)| Elsewhere::Put { path, length, seed }),
        1 => path().prop_map(|path| Elsewhere::Remove { path }),
        1 => (path(), path()).prop_map(|(from, to)| Elsewhere::Rename { from, to }),
        1 => path().prop_map(|path| Elsewhere::Directory { path }),
    ]
    .boxed()
}

/// A life of up to `most` steps.
pub(crate) fn life(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => opening(),
        12 => content(),
        8 => naming(),
        3 => attributes(),
        1 => Just(Step::Commit),
        1 => Just(Step::Remount),
        2 => elsewhere().prop_map(Step::Peer),
    ];
    proptest::collection::vec(step, 1..most)
}
