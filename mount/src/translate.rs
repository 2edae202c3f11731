//! Between our types and fuser's, both ways, and the way of each answer to the kernel.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{Errno, FopenFlags, Generation, INodeNo, TimeOrNow};

use crate::reply::sealed::Wire;
use crate::reply::{Created, Data, Found, Offset, Opened, OpenedDirectory, Written, Xattr};
use crate::{Attributes, Entry, Error, FileKind, Inode, Permissions, SetTime, Statistics, Timestamp};

/// Inode numbers are not used again while mounted, so all are of one generation.
pub(crate) const GENERATION: Generation = Generation(0);

/// What `stat` names as the size to read and write in.
const BLOCK_SIZE: u32 = 4096;

pub(crate) fn errno(error: Error) -> Errno {
    Errno::from_i32(error.errno())
}

pub(crate) const fn kind(kind: FileKind) -> fuser::FileType {
    match kind {
        FileKind::File => fuser::FileType::RegularFile,
        FileKind::Directory => fuser::FileType::Directory,
        FileKind::Symlink => fuser::FileType::Symlink,
        FileKind::Fifo => fuser::FileType::NamedPipe,
        FileKind::Socket => fuser::FileType::Socket,
        FileKind::CharacterDevice => fuser::FileType::CharDevice,
        FileKind::BlockDevice => fuser::FileType::BlockDevice,
    }
}

/// The kind in the type bits of a mode, as mknod gives it.
pub(crate) const fn kind_of_mode(mode: u32) -> Result<FileKind, Error> {
    match mode & libc::S_IFMT {
        0 | libc::S_IFREG => Ok(FileKind::File),
        libc::S_IFIFO => Ok(FileKind::Fifo),
        libc::S_IFSOCK => Ok(FileKind::Socket),
        libc::S_IFCHR => Ok(FileKind::CharacterDevice),
        libc::S_IFBLK => Ok(FileKind::BlockDevice),
        _ => Err(Error::Invalid),
    }
}

/// A moment as fuser takes it; one that Rust cannot name becomes 1970.
fn system_time(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let second = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let nanoseconds = Duration::from_nanos(u64::from(time.nanoseconds));
    second.and_then(|second| second.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

/// A moment as fuser gives it. For times before 1970 fuser 0.18 takes the nanoseconds off where the kernel
/// means them added, which is undone here.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        },
        Err(before) => Timestamp {
            seconds: 0_i64.saturating_sub_unsigned(before.duration().as_secs()),
            nanoseconds: before.duration().subsec_nanos(),
        },
    }
}

pub(crate) fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(time) => SetTime::At(timestamp(time)),
    }
}

pub(crate) fn attributes(from: &Attributes) -> fuser::FileAttr {
    let changed = system_time(from.changed);
    fuser::FileAttr {
        ino: INodeNo(from.inode.0),
        size: from.size,
        blocks: from.blocks,
        atime: system_time(from.accessed),
        mtime: system_time(from.modified),
        ctime: changed,
        crtime: changed,
        kind: kind(from.kind),
        perm: from.permissions.bits(),
        nlink: from.links,
        uid: from.uid,
        gid: from.gid,
        rdev: from.device,
        blksize: BLOCK_SIZE,
        flags: 0,
    }
}

/// The entry that stands for nothing: inode zero.
fn nothing() -> fuser::FileAttr {
    attributes(&Attributes {
        inode: Inode(0),
        kind: FileKind::File,
        permissions: Permissions::from_mode(0),
        links: 0,
        uid: 0,
        gid: 0,
        device: 0,
        size: 0,
        blocks: 0,
        accessed: Timestamp { seconds: 0, nanoseconds: 0 },
        modified: Timestamp { seconds: 0, nanoseconds: 0 },
        changed: Timestamp { seconds: 0, nanoseconds: 0 },
    })
}

fn open_flags(opened: Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache);
    flags.set(FopenFlags::FOPEN_DIRECT_IO, opened.direct);
    flags
}

/// Writes [`Wire`] for an answer: its fuser reply, and how that is sent.
macro_rules! wire {
    ($answer:ty, $kernel:ty, |$way:ident, $value:ident| $send:expr) => {
        impl Wire for $answer {
            type Kernel = $kernel;

            fn accept($way: $kernel, $value: $answer) {
                $send
            }

            fn refuse($way: $kernel, error: Error) {
                $way.error(errno(error));
            }
        }
    };
}

wire!((), fuser::ReplyEmpty, |way, _done| way.ok());
wire!(Data, fuser::ReplyData, |way, bytes| way.data(&bytes.0));
wire!(Written, fuser::ReplyWrite, |way, written| way.written(written.0));
wire!(Entry, fuser::ReplyAttr, |way, entry| way.attr(&entry.lifetime, &attributes(&entry.attributes)));
wire!(Offset, fuser::ReplyLseek, |way, offset| match i64::try_from(offset.0) {
    Ok(offset) => way.offset(offset),
    Err(_) => way.error(errno(Error::TooLarge)),
});
wire!(Found, fuser::ReplyEntry, |way, found| match found {
    Found::Entry(entry) => way.entry(&entry.lifetime, &attributes(&entry.attributes), GENERATION),
    Found::Nothing(lifetime) => way.entry(&lifetime, &nothing(), GENERATION),
});
wire!(Opened, fuser::ReplyOpen, |way, opened| {
    way.opened(fuser::FileHandle(opened.handle.0), open_flags(opened))
});
wire!(OpenedDirectory, fuser::ReplyOpen, |way, opened| {
    let cached = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
    let flags = if opened.cache { cached } else { FopenFlags::empty() };
    way.opened(fuser::FileHandle(opened.handle.0), flags)
});
wire!(Created, fuser::ReplyCreate, |way, created| way.created(
    &created.entry.lifetime,
    &attributes(&created.entry.attributes),
    GENERATION,
    fuser::FileHandle(created.opened.handle.0),
    open_flags(created.opened),
));
wire!(Statistics, fuser::ReplyStatfs, |way, it| way.statfs(
    it.blocks,
    it.blocks_free,
    it.blocks_available,
    it.files,
    it.files_free,
    it.block_size,
    it.name_length,
    it.block_size,
));

/// The way back of an extended attribute, with the room the caller has; zero asks for the length.
#[derive(Debug)]
pub struct XattrWay {
    pub(crate) kernel: fuser::ReplyXattr,
    pub(crate) room: u32,
}

impl Wire for Xattr {
    type Kernel = XattrWay;

    fn accept(way: XattrWay, value: Xattr) {
        match u32::try_from(value.0.len()) {
            Ok(length) if way.room == 0 => way.kernel.size(length),
            Ok(length) if length <= way.room => way.kernel.data(&value.0),
            Ok(_) => way.kernel.error(errno(Error::BufferTooSmall)),
            Err(_) => way.kernel.error(errno(Error::AttributeTooLarge)),
        }
    }

    fn refuse(way: XattrWay, error: Error) {
        way.kernel.error(errno(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_meaning() {
        // utimensat with -1 s and 250 ms: a quarter of a second into the second before 1970.
        let meant = Timestamp { seconds: -1, nanoseconds: 250_000_000 };
        let as_fuser_reads_it = UNIX_EPOCH - Duration::new(1, 250_000_000);
        assert_eq!(timestamp(as_fuser_reads_it), meant);
        assert_eq!(system_time(meant), UNIX_EPOCH - Duration::from_millis(750));
    }

    #[test]
    fn times_at_the_ends_do_not_panic() {
        for seconds in [i64::MIN, -1, 0, i64::MAX] {
            for nanoseconds in [0, 999_999_999] {
                system_time(Timestamp { seconds, nanoseconds });
            }
        }
    }

    #[test]
    fn mknod_makes_no_directories() {
        assert_eq!(kind_of_mode(libc::S_IFDIR | 0o755), Err(Error::Invalid));
        assert_eq!(kind_of_mode(0o644), Ok(FileKind::File));
        assert_eq!(kind_of_mode(libc::S_IFIFO), Ok(FileKind::Fifo));
    }
}
